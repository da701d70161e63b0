/**
 * Reads a log from the server as it is written, and goes on where it was after a break. Lines
 * are handed over in batches, so that a flood costs the page one update per batch.
 */
import { targetHeaders } from "../../api/target";
import { waitBefore } from "../../system/staleness";
import type { LogLine } from "./ring";

export interface Wish {
  app: string;
  block: string | null;
  pod: string | null;
  previous: boolean;
  /** How many lines that are there already. */
  tail: number;
  /** Only lines since this time. */
  since: string | null;
}

export type SourceState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "ended" }
  | { kind: "broken"; why: string; retryAt: number };

export interface Listener {
  lines(batch: LogLine[]): void;
  state(state: SourceState): void;
}

/** A batch is handed over so often. */
const BATCH_MS = 100;
/** What is there already comes copy by copy; so long it is gathered and put in order of time. */
const FIRST_MS = 350;
/** A text without a line end longer than this is cut. The server gives 256 KiB at once, and JSON
    writes one byte, such as a NUL, with up to six. */
const LINE_LIMIT = 2_000_000;

/** The server's clock and ours may differ so much; what comes twice is dropped. */
const SKEW_SECONDS = 10;

/** The address of the log; the server takes `since` as a number of seconds back from now. */
export function address(wish: Wish, since: string | null, now = Date.now()): string {
  const query = new URLSearchParams();
  if (wish.block !== null) query.set("block", wish.block);
  if (wish.pod !== null) query.set("pod", wish.pod);
  if (wish.previous) query.set("previous", "true");
  else query.set("follow", "true");
  const from = since === null ? Number.NaN : Date.parse(since);
  if (!Number.isNaN(from)) {
    query.set("since", String(Math.max(1, Math.ceil((now - from) / 1000) + SKEW_SECONDS)));
  } else query.set("tail", String(wish.tail));
  return `/v1/apps/${encodeURIComponent(wish.app)}/logs?${query.toString()}`;
}

/** Splits what comes off the wire into lines, and those into log lines. */
export class Splitter {
  private rest = "";

  /** The whole lines of `chunk`; what is not one stays for the next. */
  push(chunk: string): LogLine[] {
    const parts = (this.rest + chunk).split("\n");
    this.rest = parts.pop() ?? "";
    if (this.rest.length > LINE_LIMIT) this.rest = "";
    const found: LogLine[] = [];
    for (const part of parts) {
      const line = read(part);
      if (line !== null) found.push(line);
    }
    return found;
  }
}

function read(text: string): LogLine | null {
  if (text === "") return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    const line = value as Partial<LogLine>;
    if (typeof line.text !== "string") return null;
    return {
      at: String(line.at ?? ""),
      block: String(line.block ?? ""),
      pod: String(line.pod ?? ""),
      container: String(line.container ?? ""),
      text: line.text,
    };
  } catch {
    // Half a line at a break; the next attempt brings it whole.
    return null;
  }
}

/** The newest moment of one stream, and what was written in it. */
interface Seen {
  at: string;
  text: string;
  more: Set<string> | null;
}

/** Lets each line through once, although after a break the server begins a little earlier. */
export class Once {
  private readonly last = new Map<string, Seen>();

  fresh(line: LogLine): boolean {
    const key = `${line.pod}/${line.container}`;
    const seen = this.last.get(key);
    if (seen === undefined) {
      this.last.set(key, { at: line.at, text: line.text, more: null });
      return true;
    }
    if (line.at > seen.at) {
      seen.at = line.at;
      seen.text = line.text;
      seen.more = null;
      return true;
    }
    if (line.at < seen.at || line.text === seen.text || seen.more?.has(line.text)) return false;
    seen.more ??= new Set();
    seen.more.add(line.text);
    return true;
  }

  /** The newest time of all. */
  newest(): string | null {
    let newest: string | null = null;
    for (const { at } of this.last.values()) if (newest === null || at > newest) newest = at;
    return newest;
  }
}

/** Follows a log until `signal` says stop. */
export async function follow(wish: Wish, listener: Listener, signal: AbortSignal): Promise<void> {
  const once = new Once();
  let resumed = false;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    listener.state({ kind: "connecting" });
    let why = "the connection ended";
    try {
      const since = resumed ? once.newest() : wish.since;
      const answer = await fetch(address(wish, since), { signal, headers: targetHeaders });
      if (!answer.ok || answer.body === null) {
        why = await refusal(answer);
        if (answer.status === 404 || answer.status === 422) {
          listener.state({ kind: "broken", why, retryAt: Date.now() + waitBefore(attempt) });
        }
      } else {
        listener.state({ kind: "open" });
        const ended = await drain(answer.body, (lines) => {
          attempt = 0;
          listener.lines(resumed ? lines.filter((line) => once.fresh(line)) : note(lines, once));
        });
        if (ended && wish.previous) {
          listener.state({ kind: "ended" });
          return;
        }
        resumed = once.newest() !== null;
      }
    } catch (cause) {
      if (signal.aborted) return;
      why = cause instanceof Error ? cause.message : String(cause);
      resumed = once.newest() !== null;
    }
    if (signal.aborted) return;
    const wait = waitBefore(attempt);
    listener.state({ kind: "broken", why, retryAt: Date.now() + wait });
    await pause(wait, signal);
  }
}

/** On the first connection every line is new, also two that are the same in the same moment. */
function note(lines: LogLine[], once: Once): LogLine[] {
  for (const line of lines) once.fresh(line);
  return lines;
}

async function refusal(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { error?: { message?: string } };
    return body.error?.message ?? `the server answered ${answer.status}`;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

/** By time; lines of one moment stay as they came. */
export function inOrder(lines: LogLine[]): LogLine[] {
  for (let at = 1; at < lines.length; at += 1) {
    if ((lines[at]?.at ?? "") < (lines[at - 1]?.at ?? "")) {
      return lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    }
  }
  return lines;
}

async function drain(body: ReadableStream<Uint8Array>, hand: (lines: LogLine[]) => void): Promise<boolean> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const splitter = new Splitter();
  let waiting: LogLine[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  let first = true;
  const flush = () => {
    timer = null;
    if (waiting.length === 0) return;
    const batch = inOrder(waiting);
    waiting = [];
    first = false;
    hand(batch);
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      for (const line of splitter.push(decoder.decode(value, { stream: true }))) waiting.push(line);
      timer ??= setTimeout(flush, first ? FIRST_MS : BATCH_MS);
    }
  } finally {
    if (timer !== null) clearTimeout(timer);
    flush();
    reader.releaseLock();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
