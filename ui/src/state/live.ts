// What is true right now: the stream's state, who is here. Stream events land here or renew
// a query; those of operations go to go/operations.ts. Where next: api/stream.ts (the wire), go/ (who shows it).
import { create } from "zustand";
import { client, keys } from "../api/queries";
import { openStream, SILENCE_MS, type Stream, type StreamState } from "../api/stream";
import type { Presence, StreamEvent } from "../api/types";
import { receiveOperation, reloadOperations } from "../go/operations";

interface Live extends StreamState {
  people: Presence[];
  apply(event: StreamEvent): void;
  setStream(state: StreamState): void;
}

export const useLive = create<Live>()((set) => ({
  connected: false,
  heardAt: 0,
  retryAt: null,
  people: [],
  setStream: (state) => set(state),
  apply: (event) => {
    if (event.kind === "people") set({ people: event.data.people });
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
