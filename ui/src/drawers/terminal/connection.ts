// The wire between a terminal on the page and a shell in a copy: bytes both ways, and a few words of
// JSON for size and end. Knows nothing of xterm. Where next: TerminalPane.tsx.
import { get } from "../../api/client";
import { target, withTarget } from "../../api/target";
import { waitBefore } from "../../system/staleness";

export interface Size {
  rows: number;
  cols: number;
}

export type TerminalState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "ended"; code: number | null }
  | { kind: "refused"; why: string }
  | { kind: "lost"; retryAt: number };

export interface TerminalHooks {
  bytes(bytes: Uint8Array): void;
  state(state: TerminalState): void;
}

/** Where the shell of a block is. */
export function terminalAddress(
  origin: string,
  app: string,
  block: string,
  pod: string | null,
  size: Size,
  confirmed: readonly string[] = [],
): string {
  const query = withTarget(new URLSearchParams({ rows: String(size.rows), cols: String(size.cols) }));
  if (pod !== null) query.set("pod", pod);
  if (confirmed.length > 0) query.set("confirm", confirmed.join(","));
  const path = `/v1/apps/${encodeURIComponent(app)}/blocks/${encodeURIComponent(block)}/terminal`;
  return `${origin.replace(/^http/, "ws")}${path}?${query.toString()}`;
}

/** A text frame of the server: how the shell ended, or null if it is something else. */
export function readEnd(text: string): { code: number | null } | null {
  try {
    const value = JSON.parse(text) as { exit?: { code?: number | null } } | null;
    return value?.exit === undefined ? null : { code: value.exit.code ?? null };
  } catch {
    return null;
  }
}

/** A text frame of the server: why there is no shell, or null if it is something else. */
export function readRefusal(text: string): string | null {
  try {
    const value = JSON.parse(text) as { refused?: { message?: string; hint?: string } } | null;
    const { message, hint } = value?.refused ?? {};
    if (message === undefined) return null;
    return hint === undefined ? `${message}.` : `${message}: ${hint}.`;
  } catch {
    return null;
  }
}

/** What lies with the person: a session too old for a shell, or a protected target not named. */
const PERSONAL = ["session/old", "target/protected"];

/**
 * Why a socket was not let in, if that lies with the person. A browser does not say it; the same
 * address, read, does. It may ask for a protected target's name, which is `confirmed` then.
 */
async function whyNot(address: string, confirmed: string[]): Promise<string | null> {
  const answer = await get(address.replace(/^ws/, "http"), undefined, confirmed);
  return !answer.ok && PERSONAL.includes(answer.error.code) ? answer.error.message : null;
}

/** A shell that is opened, and opened anew when the connection breaks. */
export class TerminalConnection {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private attempt = 0;
  private closed = false;
  private ended = false;
  private readonly confirmed: string[] = [];
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly address: (size: Size, confirmed: readonly string[]) => string,
    private size: Size,
    private readonly hooks: TerminalHooks,
  ) {
    this.connect();
  }

  connect(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.socket?.close();
    if (this.closed) return;
    this.ended = false;
    this.hooks.state({ kind: "connecting" });
    // Another target may have to be named first.
    if (target === null) this.open();
    else this.askThenOpen();
  }

  private async askThenOpen(): Promise<void> {
    const before = this.socket;
    const why = await whyNot(this.address(this.size, this.confirmed), this.confirmed);
    if (this.closed || this.socket !== before) return;
    if (why === null) this.open();
    else this.hooks.state({ kind: "refused", why });
  }

  private open(): void {
    const address = this.address(this.size, this.confirmed);
    const socket = new WebSocket(address);
    let opened = false;
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      opened = true;
      this.attempt = 0;
      this.hooks.state({ kind: "open" });
      this.sendSize();
    };
    socket.onmessage = (message: MessageEvent<ArrayBuffer | string>) => {
      if (socket !== this.socket) return;
      if (typeof message.data !== "string") {
        this.hooks.bytes(new Uint8Array(message.data));
        return;
      }
      const end = readEnd(message.data);
      const why = readRefusal(message.data);
      if (end === null && why === null) return;
      this.ended = true;
      this.hooks.state(why === null ? { kind: "ended", code: end?.code ?? null } : { kind: "refused", why });
    };
    socket.onclose = async () => {
      const gone = () => socket !== this.socket || this.closed || this.ended;
      if (gone()) return;
      const why = opened ? null : await whyNot(address, this.confirmed);
      if (gone()) return;
      if (why !== null) {
        this.hooks.state({ kind: "refused", why });
        return;
      }
      const wait = waitBefore(this.attempt);
      this.attempt += 1;
      this.hooks.state({ kind: "lost", retryAt: Date.now() + wait });
      this.timer = setTimeout(() => this.connect(), wait);
    };
  }

  send(text: string): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(this.encoder.encode(text));
  }

  /** Bytes given one per character, as xterm hands over mouse reports. */
  sendBinary(text: string): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff));
  }

  resize(size: Size): void {
    this.size = size;
    this.sendSize();
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.socket?.close();
  }

  private sendSize(): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ resize: this.size }));
  }
}
