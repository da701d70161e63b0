// One vocabulary of states for every screen: which shape, which tone, and how the server's words and
// a block's place in the app come to one of them. Where next: parts/Status.tsx.
import type { Block, BlockStatus, StatusReport, StatusWord } from "../api/types";

export type Tone = "good" | "busy" | "warn" | "bad" | "idle";

/** Shapes differ in outline, not only in colour; drawn on a 12 by 12 field. */
export const SHAPES: Record<StatusWord, { path: string; order: number }> = {
  failing: { order: 0, path: "M6 1 11.5 11H.5Z" },
  stale: { order: 1, path: "M6 .8 11.2 6 6 11.2.8 6ZM6 3.2 3.2 6 6 8.8 8.8 6Z" },
  degraded: { order: 2, path: "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1Zm0 1.5v7a3.5 3.5 0 0 0 0-7Z" },
  waiting: {
    order: 3,
    path: "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1Zm0 1.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM5.3 3.5h1.4v2.3l1.6 1-.7 1.1-2.3-1.4Z",
  },
  building: { order: 4, path: "M1 1h4.3v4.3H1ZM6.7 1H11v4.3H6.7ZM1 6.7h4.3V11H1Z" },
  pulling: { order: 5, path: "M5.2 1h1.6v5l1.9-1.9 1.1 1.1L6 9 2.2 5.2l1.1-1.1L5.2 6ZM1.5 9.8h9v1.4h-9Z" },
  starting: { order: 6, path: "M6 1a5 5 0 1 1-5 5h1.6A3.4 3.4 0 1 0 6 2.6Z" },
  ready: { order: 7, path: "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1Z" },
  stopped: { order: 8, path: "M2 2h8v8H2Z" },
  draft: {
    order: 9,
    path: "M2 2h2.5v1.3H3.3v1.2H2Zm5.5 0H10v2.5H8.7V3.3H7.5ZM2 7.5h1.3v1.2h1.2V10H2Zm6.7 0H10V10H7.5V8.7h1.2Z",
  },
};

const TONES: Record<StatusWord, Tone> = {
  draft: "idle",
  waiting: "busy",
  building: "busy",
  pulling: "busy",
  starting: "busy",
  ready: "good",
  degraded: "warn",
  failing: "bad",
  stopped: "idle",
  stale: "warn",
};
export const toneOf = (word: StatusWord): Tone => TONES[word];

/** The server's word for a state, brought to the vocabulary. */
export function wordOf(state: string | null | undefined): StatusWord {
  switch (state) {
    case "built":
    case "preparing":
      return "starting";
    case "unchanged":
      return "ready";
    case "removed":
      return "stopped";
    default:
      return state && state in TONES ? (state as StatusWord) : "draft";
  }
}

export interface Shown {
  word: StatusWord;
  detail: string | null;
}

/** What a block shows: what the server last said of it, or that nobody ran it yet. */
export function shownOf(
  block: Pick<Block, "name">,
  report: StatusReport | undefined,
  staleFor: string | null,
): Shown {
  const it = report?.blocks.find((status) => status.name === block.name);
  if (!it) return { word: "draft", detail: null };
  if (staleFor) return { word: "stale", detail: staleFor };
  return shownFrom(it);
}

export function shownFrom(it: BlockStatus): Shown {
  const word = wordOf(it.state);
  const short = it.ready < it.wanted;
  if (word === "ready" && short && it.ready > 0)
    return { word: "degraded", detail: `${it.ready}/${it.wanted}` };
  if (word === "degraded") return { word, detail: `${it.ready}/${it.wanted}` };
  if (word === "waiting") return { word, detail: it.detail || null };
  return { word, detail: null };
}

/** "12 s", "3 min", "2 h", "5 d": how long ago, short. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 36 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
