// Talks HTTP to the server. A call never throws: it answers `{ ok, value }` or `{ ok: false, error }`.
// Queries want a throw, so `wanted` turns the one into the other. Where next: queries.ts, stream.ts.
import { targetHeaders } from "./target";
import type { Diagnostic, ErrorBody } from "./types";

/** What the server, or the way to it, answered instead of a value. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly why?: string;
  readonly hint?: string;
  readonly docs?: string;
  readonly diagnostics: Diagnostic[];
  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.name = "Refusal";
    this.status = status;
    this.code = body.code;
    this.why = body.cause;
    this.hint = body.hint;
    this.docs = body.docs;
    this.diagnostics = body.diagnostics ?? [];
  }
  /** The server could not be reached at all. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

export type Answer<T> = { ok: true; value: T } | { ok: false; error: Refusal };

type Method = "GET" | "POST" | "PUT" | "DELETE";

function isErrorBody(value: unknown): value is { error: ErrorBody } {
  const error = (value as { error?: { message?: unknown } } | null)?.error;
  return typeof error === "object" && error !== null && typeof error.message === "string";
}

/** Asks the person for the name of a protected target; null: they think better of it. */
type Asker = (why: string) => Promise<string | null>;
let asker: Asker | null = null;

/** Who asks when a target is protected: the page's one dialog for it. */
export function askedBy(ask: Asker | null): void {
  asker = ask;
}

export async function call<T>(
  method: Method,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  /** Protected targets that the person has named, and is asked to name, for this one thing. */
  confirmed: string[] = [],
): Promise<Answer<T>> {
  for (;;) {
    const answer = await send<T>(method, path, body, confirmed, signal);
    if (answer.ok || answer.error.code !== "target/protected" || asker === null) return answer;
    // A move may change two protected targets: each is asked for.
    const name = await asker(answer.error.message);
    if (name === null) {
      const { status, code } = answer.error;
      return { ok: false, error: new Refusal(status, { code, message: "you did not name the target" }) };
    }
    confirmed.push(name);
  }
}

async function send<T>(
  method: Method,
  path: string,
  body: unknown,
  confirmed: readonly string[],
  signal?: AbortSignal,
): Promise<Answer<T>> {
  const headers: Record<string, string> = { ...targetHeaders };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (confirmed.length > 0) headers["shelf-confirm"] = confirmed.join(",");
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    const message = signal?.aborted ? "the request was given up" : "the server does not answer";
    const code = signal?.aborted ? "net/aborted" : "net/unreachable";
    return { ok: false, error: new Refusal(0, { code, message, cause: String(cause) }) };
  }
  const text = await response.text().catch(() => "");
  let value: unknown;
  try {
    value = text === "" ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (response.ok) {
    if (value === undefined && text !== "") {
      const message = `${method} ${path} answered something that is not JSON`;
      return { ok: false, error: new Refusal(response.status, { code: "net/not-json", message }) };
    }
    return { ok: true, value: value as T };
  }
  const error = isErrorBody(value)
    ? value.error
    : { code: `http/${response.status}`, message: `${method} ${path} answered ${response.status}` };
  return { ok: false, error: new Refusal(response.status, error) };
}

/** The value of an answer, or its error thrown: what react-query expects of a query function. */
export async function wanted<T>(answer: Promise<Answer<T>>): Promise<T> {
  const it = await answer;
  if (it.ok) return it.value;
  throw it.error;
}

export const get = <T>(path: string, signal?: AbortSignal, confirmed?: string[]) =>
  call<T>("GET", path, undefined, signal, confirmed);
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, body);
export const put = <T>(path: string, body: unknown) => call<T>("PUT", path, body);
export const remove = <T>(path: string) => call<T>("DELETE", path);

/** A path below an app, its name made safe for a URL. */
export const appPath = (app: string, rest = "") => `/v1/apps/${encodeURIComponent(app)}${rest}`;
