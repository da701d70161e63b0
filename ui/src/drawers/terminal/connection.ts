// The wire between a terminal on the page and a shell in a copy: bytes both ways, and a few words of
// JSON for size and end. Knows nothing of xterm. Where next: TerminalPane.tsx.
import { get } from "../../api/client";
import { withTarget } from "../../api/target";
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
): string {
  const query = withTarget(new URLSearchParams({ rows: String(size.rows), cols: String(size.cols) }));
  if (pod !== null) query.set("pod", pod);
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

/** Why the session is too old for a shell; null if that is not the reason. */
async function oldSession(address: string): Promise<string | null> {
  const answer = await get(address.replace(/^ws/, "http"));
  return !answer.ok && answer.error.code === "session/old" ? answer.error.message : null;
}

/** A shell that is opened, and opened anew when the connection breaks. */
export class TerminalConnection {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private attempt = 0;
  private closed = false;
  private ended = false;
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly address: (size: Size) => string,
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
    const address = this.address(this.size);
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
      if (end === null) return;
      this.ended = true;
      this.hooks.state({ kind: "ended", code: end.code });
    };
    socket.onclose = async () => {
      const gone = () => socket !== this.socket || this.closed || this.ended;
      if (gone()) return;
      // A browser does not say why a socket was refused; the same address, read, does.
      const why = opened ? null : await oldSession(address);
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
