// What is true right now: the stream's state, running operations with their events, who is here.
// Stream events land here or renew a query. Where next: api/stream.ts (the wire), go/ (who shows it).
import { create } from "zustand";
import { client, keys } from "../api/queries";
import { openStream, SILENCE_MS, type Stream, type StreamState } from "../api/stream";
import type { ErrorBody, OperationEvent, OperationMessage, Presence, StreamEvent } from "../api/types";
import { receiveOperation, reloadOperations } from "../go/operations";

/** Events kept per operation; older build output is dropped first. */
const MOST_EVENTS = 4000;

export interface Operation {
  id: string;
  verb: string;
  app: string;
  by: string;
  events: OperationEvent[];
  running: boolean;
  /** When the first event was seen, milliseconds since the epoch. */
  seenAt: number;
  result?: Record<string, unknown>;
  error?: ErrorBody;
}

interface Live extends StreamState {
  operations: Record<string, Operation>;
  people: Presence[];
  apply(event: StreamEvent): void;
  setStream(state: StreamState): void;
  /** Puts away a finished operation, so that its panel closes. */
  dismiss(id: string): void;
}

function withMessage(before: Operation | undefined, message: OperationMessage): Operation {
  const base: Operation = before ?? {
    id: message.id,
    verb: message.verb,
    app: message.app,
    by: message.by,
    events: [],
    running: true,
    seenAt: Date.now(),
  };
  if (message.error) return { ...base, running: false, error: message.error };
  if (message.result) return { ...base, running: false, result: message.result };
  if (!message.event) return base;
  const events = [...base.events, message.event];
  if (events.length > MOST_EVENTS) {
    const old = events.findIndex((it) => it.event === "build-output");
    events.splice(Math.max(old, 0), 1);
  }
  return { ...base, events };
}

export const useLive = create<Live>()((set) => ({
  connected: false,
  heardAt: 0,
  retryAt: null,
  operations: {},
  people: [],
  setStream: (state) => set(state),
  dismiss: (id) =>
    set((before) => {
      const { [id]: _gone, ...operations } = before.operations;
      return { operations };
    }),
  apply: (event) => {
    if (event.kind === "operation") {
      const { data } = event;
      set((before) => ({
        operations: { ...before.operations, [data.id]: withMessage(before.operations[data.id], data) },
      }));
    } else if (event.kind === "people") {
      set({ people: event.data.people });
    }
  },
}));

/** Renews the queries that an event makes out of date. */
export function renew(event: StreamEvent, app: string | null): void {
  if (event.kind === "status") {
    client.setQueryData(keys.status(event.data.app), event.data);
  } else if (event.kind === "model") {
    const name = event.data.app ?? app;
    if (!name) return;
    const known = client.getQueryData<{ revision: string; valid: boolean }>(keys.model(name));
    if (known?.revision === event.data.revision && known.valid === event.data.valid) return;
    for (const key of [keys.model(name), keys.file(name), keys.history(name)]) {
      void client.invalidateQueries({ queryKey: key });
    }
  } else if (event.kind === "layout") {
    const name = event.data.app ?? app;
    if (name) void client.invalidateQueries({ queryKey: keys.model(name) });
  } else if (event.kind === "operation" && (event.data.result || event.data.error)) {
    void client.invalidateQueries({ queryKey: keys.apps });
    void client.invalidateQueries({ queryKey: keys.operations });
    void client.invalidateQueries({ queryKey: ["app", event.data.app] });
  }
}

let current: Stream | null = null;

/** Tries to reach the server at once instead of at `retryAt`. */
export const retryNow = (): void => current?.retry();

/** Listens to the stream of an app (null: of the machine) until closed. */
export function listen(app: string | null): Stream {
  let before = true;
  let connected = false;
  const stream = openStream(
    app,
    (event, number) => {
      if (event.kind === "operation") receiveOperation(event.data, number);
      useLive.getState().apply(event);
      renew(event, app);
    },
    (state) => {
      // After a gap anything may have happened: fetch what is shown anew.
      if (state.connected && !before) void client.invalidateQueries();
      if (state.connected && !connected) void reloadOperations();
      before = state.connected;
      connected = state.connected;
      useLive.getState().setStream(state);
    },
  );
  current = stream;
  return stream;
}

/** Whether what is shown may be out of date, given the time now. */
export const isStale = (state: StreamState, now: number): boolean =>
  !state.connected && state.heardAt > 0 && now - state.heardAt > SILENCE_MS;

/** The newest operation of an app, running or just ended. */
export function operationOf(operations: Record<string, Operation>, app: string): Operation | undefined {
  return Object.values(operations)
    .filter((it) => it.app === app)
    .sort((a, b) => b.seenAt - a.seenAt)[0];
}
