// Verbs under way and just ended, as the event stream tells them: one store, read by the canvas,
// the plan page, the phone and the header. The work is the server's; closing the page stops nothing.
// Where next: progress.ts (how events become a picture), GoPanel.tsx (how it is shown).
import { create } from "zustand";
import { appPath, get, post, type Refusal } from "../api/client";
import { client, keys } from "../api/queries";
import type { ErrorBody, OperationEvent, OperationMessage, OperationRow } from "../api/types";
import { fold, NOTHING, type Progress, progressOf } from "./progress";

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
}

interface OperationsState {
  byId: Readonly<Record<string, Operation>>;
}

export const useOperations = create<OperationsState>(() => ({ byId: {} }));

/** Messages that came since the last time the store was written. */
let waiting: OperationMessage[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;
/** The newest message of each operation: a stream that begins again repeats old ones. */
const heard = new Map<string, number>();
/** A flood of build output costs the page one update in so many ms. */
const GATHER_MS = 50;

/** Takes a message off the event stream; `number` is the id the stream gave it. */
export function receiveOperation(message: OperationMessage, number?: number): void {
  const id = String(message.id);
  if (number !== undefined) {
    // A stream that begins anew tells the whole story under one number, after `began`.
    if (number < (heard.get(id) ?? Number.NEGATIVE_INFINITY)) return;
    heard.set(id, number);
  }
  waiting.push(message);
  if (timer === null) timer = setTimeout(flush, GATHER_MS);
}

function flush(): void {
  timer = null;
  const batch = waiting;
  waiting = [];
  const ended = new Set<string>();
  useOperations.setState((state) => {
    const byId = { ...state.byId };
    for (const message of batch) {
      const id = String(message.id);
      const before = byId[id] ?? begun(message);
      byId[id] = after(before, message);
      if (before.running && byId[id]?.running === false) ended.add(message.app);
    }
    return { byId: trimmed(byId) };
  });
  for (const app of ended) renew(app);
}

type Row = Pick<OperationRow, "verb" | "app" | "by"> & { id: string | number; started?: string };

function begun(row: Row): Operation {
  const started = Date.parse(row.started ?? "");
  return {
    id: String(row.id),
    verb: row.verb,
    app: row.app,
    by: row.by,
    started: Number.isNaN(started) ? Date.now() : started,
    running: true,
    progress: NOTHING,
    result: null,
    error: null,
    dismissed: false,
  };
}

function after(operation: Operation, message: OperationMessage): Operation {
  // What we started ourselves is known before the server has said by whom.
  const known = operation.by === "" ? { ...operation, by: message.by } : operation;
  if (message.error) return { ...known, running: false, error: message.error };
  if (message.result) return { ...known, running: false, result: message.result };
  if (message.began) return { ...begun(message), dismissed: known.dismissed };
  if (message.event) return { ...known, progress: fold(known.progress, message.event) };
  return known;
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

interface OneOperation extends Row {
  running: boolean;
  events: OperationEvent[];
  result?: Record<string, unknown>;
  error?: ErrorBody;
}

/**
 * Asks the server what became of the verbs under way: whenever the stream opens again. Those that
 * still run are told by the stream itself, from their beginning; of those that ended while nobody
 * listened, the end is fetched.
 */
export async function reloadOperations(): Promise<void> {
  const doubtful = Object.values(useOperations.getState().byId).filter((one) => one.running);
  for (const { id, app } of doubtful) {
    const answer = await get<OneOperation>(`/v1/operations/${encodeURIComponent(id)}`);
    if (!answer.ok && answer.error.status !== 404) continue;
    const told = answer.ok ? answer.value : null;
    if (told?.running === true) continue;
    useOperations.setState((state) => {
      const before = state.byId[id];
      if (before === undefined || !before.running) return state;
      const progress = told === null ? before.progress : progressOf(told.events);
      const error = told === null ? LOST : (told.error ?? null);
      const ended = { ...before, running: false, progress, result: told?.result ?? null, error };
      return { byId: { ...state.byId, [id]: ended } };
    });
    renew(app);
  }
}

const LOST: ErrorBody = {
  code: "operation/lost",
  message: "the server was started anew while it worked, so its end is not known",
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

/** What a page may start. */
export type Verb =
  | "go"
  | "stop"
  | "start"
  | "restart"
  | "destroy"
  | "rollback"
  | "undo-go"
  | "rotate"
  | "backup"
  | "restore"
  | "copy"
  | "move"
  | "pack"
  | "upgrade";

export type Started = { ok: true; id: string } | { ok: false; error: Refusal };

/** Starts a verb on an app; what it does comes by the stream. */
export async function startVerb(
  app: string,
  verb: Verb,
  body: Record<string, unknown> = {},
): Promise<Started> {
  const answer = await post<{ operation: string | number }>(appPath(app, `/${verb}`), body);
  if (!answer.ok) return { ok: false, error: answer.error };
  const id = String(answer.value.operation);
  useOperations.setState((state) => {
    const byId = { ...state.byId };
    for (const one of Object.values(byId)) {
      // A Go that finds nothing to do may have ended before its own answer is here: its end stays.
      const earlier = one.id !== id && one.app === app && !one.running;
      if (earlier) byId[one.id] = { ...one, dismissed: true };
    }
    byId[id] ??= begun({ id, verb: verb === "undo-go" ? "undo" : verb, app, by: "" });
    return { byId };
  });
  return { ok: true, id };
}

/** Goes with all changes of the file, or with those that are named. */
export function startGo(app: string, changes?: string[]): Promise<Started> {
  return startVerb(app, "go", changes === undefined ? {} : { changes });
}

/** Ends a verb where it waits. */
export function cancel(id: string) {
  return post<unknown>(`/v1/operations/${encodeURIComponent(id)}/cancel`);
}
