// Verbs under way and just ended, as the event stream tells them: one store, read by the canvas,
// the plan page, the phone and the header. The work is the server's; closing the page stops nothing.
// Where next: progress.ts (how events become a picture), GoPanel.tsx (how it is shown).
import { create } from "zustand";
import { appPath, get, post, type Refusal } from "../api/client";
import { client, keys } from "../api/queries";
import type { ErrorBody, OperationMessage, OperationRow } from "../api/types";
import { fold, NOTHING, type Progress } from "./progress";

export interface Operation {
  id: string;
  verb: string;
  app: string;
  by: string;
  /** When it began, ms since the epoch, as well as this page knows. */
  started: number;
  running: boolean;
  progress: Progress;
  result: Record<string, unknown> | null;
  error: ErrorBody | null;
  /** The person closed its card. */
  dismissed: boolean;
  /** It was under way before this page could hear it, so some of it may be missing. */
  joined: boolean;
}

interface OperationsState {
  byId: Readonly<Record<string, Operation>>;
}

export const useOperations = create<OperationsState>(() => ({ byId: {} }));

/** Messages that came since the last time the store was written. */
let waiting: { message: OperationMessage; number: number }[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;
/** The newest message of each operation: a stream that begins again repeats old ones. */
const heard = new Map<string, number>();
/** A flood of build output costs the page one update in so many ms. */
const GATHER_MS = 50;

/** Takes a message off the event stream; `number` is the id the stream gave it. */
export function receiveOperation(message: OperationMessage, number?: number): void {
  const id = String(message.id);
  if (number !== undefined) {
    if (number <= (heard.get(id) ?? Number.NEGATIVE_INFINITY)) return;
    heard.set(id, number);
  }
  waiting.push({ message, number: number ?? 0 });
  if (timer === null) timer = setTimeout(flush, GATHER_MS);
}

function flush(): void {
  timer = null;
  const batch = waiting;
  waiting = [];
  const ended = new Set<string>();
  useOperations.setState((state) => {
    const byId = { ...state.byId };
    for (const { message } of batch) {
      const id = String(message.id);
      const before = byId[id] ?? begun(message, Date.now());
      byId[id] = after(before, message);
      if (before.running && byId[id]?.running === false) ended.add(message.app);
    }
    return { byId: trimmed(byId) };
  });
  for (const app of ended) renew(app);
}

function begun(row: { id: unknown; verb: string; app: string; by: string }, started: number): Operation {
  return {
    id: String(row.id),
    verb: row.verb,
    app: row.app,
    by: row.by,
    started,
    running: true,
    progress: NOTHING,
    result: null,
    error: null,
    dismissed: false,
    joined: false,
  };
}

function after(operation: Operation, message: OperationMessage): Operation {
  if (message.error) return { ...operation, running: false, error: message.error };
  if (message.result) return { ...operation, running: false, result: message.result };
  if (message.event) return { ...operation, progress: fold(operation.progress, message.event) };
  return operation;
}

/** So many operations are remembered. */
const KEPT = 20;

function trimmed(byId: Record<string, Operation>): Record<string, Operation> {
  const all = Object.values(byId);
  if (all.length <= KEPT) return byId;
  const keep = all.sort((a, b) => Number(b.running) - Number(a.running) || b.started - a.started);
  return Object.fromEntries(keep.slice(0, KEPT).map((one) => [one.id, one]));
}

/** What a verb that ended may have changed. */
function renew(app: string): void {
  void client.invalidateQueries({ queryKey: keys.apps });
  void client.invalidateQueries({ queryKey: ["app", app] });
}

/** Asks the server which verbs are under way: at start, and whenever the stream opens again. */
export async function reloadOperations(): Promise<void> {
  const answer = await get<{ operations: OperationRow[] }>("/v1/operations");
  if (!answer.ok) return;
  const rows = new Map(answer.value.operations.map((row) => [String(row.id), row]));
  const lost: string[] = [];
  useOperations.setState((state) => {
    const byId = { ...state.byId };
    for (const [id, row] of rows) {
      const known = byId[id];
      if (known === undefined && row.running) {
        const started = Date.parse(row.started);
        byId[id] = { ...begun(row, Number.isNaN(started) ? Date.now() : started), joined: row.events > 0 };
      } else if (known !== undefined && !Number.isNaN(Date.parse(row.started))) {
        byId[id] = { ...known, started: Date.parse(row.started) };
      }
    }
    for (const one of Object.values(byId)) {
      const row = rows.get(one.id);
      // The server does not know it any more, or says that it ended while we could not hear.
      if (one.running && row?.running !== true && one.result === null && one.error === null) {
        byId[one.id] = { ...one, running: false, error: LOST };
        lost.push(one.app);
      }
    }
    return { byId };
  });
  for (const app of lost) renew(app);
}

const LOST: ErrorBody = {
  code: "operation/lost",
  message: "the connection broke while it worked, so its end was not heard",
  hint: "the status of each block shows what became of it; Go again finishes what is missing",
};

/** The one that runs, or else the one that began last. */
function newest(byId: Readonly<Record<string, Operation>>, app: string): Operation | null {
  let found: Operation | null = null;
  for (const one of Object.values(byId)) {
    if (one.app !== app) continue;
    const before =
      found === null || (one.running === found.running ? one.started > found.started : one.running);
    if (before) found = one;
  }
  return found;
}

/** The verb under way on an app, or the last one that ended while this page was open. */
export function useOperation(app: string): Operation | null {
  return useOperations((state) => newest(state.byId, app));
}

/** How far the verb under way is; null if none is. */
export function useProgress(app: string): Progress | null {
  return useOperations((state) => {
    const one = newest(state.byId, app);
    return one?.running ? one.progress : null;
  });
}

/** Closes the card of an operation that ended. */
export function dismiss(id: string): void {
  useOperations.setState((state) => {
    const one = state.byId[id];
    return one === undefined ? state : { byId: { ...state.byId, [id]: { ...one, dismissed: true } } };
  });
}

export type Started = { ok: true; id: string } | { ok: false; error: Refusal };

/** Starts a verb on an app; what it does comes by the stream. */
export async function startVerb(
  app: string,
  verb: "go" | "stop" | "start" | "restart" | "destroy" | "rollback",
  body: Record<string, unknown> = {},
): Promise<Started> {
  const answer = await post<{ operation: string | number }>(appPath(app, `/${verb}`), body);
  if (!answer.ok) return { ok: false, error: answer.error };
  const id = String(answer.value.operation);
  useOperations.setState((state) => {
    const byId = { ...state.byId };
    for (const one of Object.values(byId)) {
      if (one.app === app && !one.running) byId[one.id] = { ...one, dismissed: true };
    }
    byId[id] ??= begun({ id, verb, app, by: "" }, Date.now());
    return { byId };
  });
  return { ok: true, id };
}

export function startGo(app: string, body: { changes?: string[]; confirm?: string } = {}): Promise<Started> {
  const sent: Record<string, unknown> = {};
  if (body.changes !== undefined) sent.changes = body.changes;
  if (body.confirm !== undefined) sent.confirm = body.confirm;
  return startVerb(app, "go", sent);
}

/** Ends a verb where it waits. */
export function cancel(id: string) {
  return post<unknown>(`/v1/operations/${encodeURIComponent(id)}/cancel`);
}
