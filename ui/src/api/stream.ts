// The event stream of the server, kept alive: reconnects with growing pauses, and knows how old what
// it last heard is, so that every status can say its age. Where next: src/state/live.ts (who listens).
import { withTarget } from "./target";
import type { StreamEvent } from "./types";

const KINDS = ["model", "status", "operation", "layout", "people", "ping"] as const;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Three missed pings: the connection is taken for dead although nobody said so. */
export const SILENCE_MS = 15_000;

export interface StreamState {
  connected: boolean;
  /** When anything was last heard, in milliseconds since the epoch; 0: never. */
  heardAt: number;
  /** When the next try is made, if not connected. */
  retryAt: number | null;
}

export interface Stream {
  close(): void;
  /** Tries at once instead of at `retryAt`. */
  retry(): void;
}

export function openStream(
  app: string | null,
  /** `number` is the stream's id of the event; it grows. */
  onEvent: (event: StreamEvent, number: number | undefined) => void,
  onState: (state: StreamState) => void,
): Stream {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;
  let closed = false;
  let state: StreamState = { connected: false, heardAt: 0, retryAt: null };

  const say = (change: Partial<StreamState>) => {
    state = { ...state, ...change };
    if (!closed) onState(state);
  };
  const later = () => {
    source?.close();
    source = null;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS);
    tries += 1;
    clearTimeout(timer);
    timer = setTimeout(connect, pause);
    say({ connected: false, retryAt: Date.now() + pause });
  };
  const heard = () => {
    tries = 0;
    say({ connected: true, heardAt: Date.now(), retryAt: null });
  };
  function connect() {
    if (closed) return;
    const query = withTarget(new URLSearchParams(app === null ? {} : { app })).toString();
    const it = new EventSource(query === "" ? "/v1/stream" : `/v1/stream?${query}`);
    source = it;
    it.onopen = heard;
    it.onerror = () => {
      if (source === it) later();
    };
    for (const kind of KINDS) {
      it.addEventListener(kind, (message) => {
        if (source !== it) return;
        heard();
        try {
          const { data, lastEventId } = message as MessageEvent<string>;
          const number = lastEventId === "" ? Number.NaN : Number(lastEventId);
          const event = { kind, data: JSON.parse(data || "{}") } as StreamEvent;
          onEvent(event, Number.isNaN(number) ? undefined : number);
        } catch (cause) {
          // One unreadable event must not end the stream; the next one carries whole state again.
          console.warn(`stream: a ${kind} event could not be read`, cause);
        }
      });
    }
  }
  const watch = setInterval(() => {
    if (state.connected && Date.now() - state.heardAt > SILENCE_MS) later();
  }, 1000);

  connect();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(watch);
      source?.close();
    },
    retry() {
      clearTimeout(timer);
      source?.close();
      tries = 0;
      connect();
    },
  };
}
