/** Which drawer is open, on what, and how high; the height is remembered on this machine. */
import { create } from "zustand";

export type Tab = "logs" | "terminal" | "metrics" | "events";
export const TABS: readonly Tab[] = ["logs", "terminal", "metrics", "events"];

export interface Aim {
  block?: string | null;
  pod?: string | null;
  /** The run before the last restart, for a block that crashes. */
  previous?: boolean;
  /** Only the last so many lines, the first error among them marked. */
  tail?: number;
  /** A line to go to: its time, as the log has it. */
  at?: string | null;
}

interface DrawersState {
  shown: boolean;
  tab: Tab;
  block: string | null;
  pod: string | null;
  previous: boolean;
  tail: number | null;
  at: string | null;
  /** Grows with every `open`, so that the same aim twice is two wishes. */
  wish: number;
  height: number;
  open(tab: Tab, aim?: Aim): void;
  select(tab: Tab): void;
  aim(block: string | null): void;
  close(): void;
  resize(height: number): void;
}

export const LEAST = 140;
export const MOST = 2_000;
const KEY = "shelf.drawer.height";

export const useDrawers = create<DrawersState>((set) => ({
  shown: false,
  tab: "logs",
  block: null,
  pod: null,
  previous: false,
  tail: null,
  at: null,
  wish: 0,
  height: remembered(),
  open: (tab, aim = {}) =>
    set((state) => ({
      shown: true,
      tab,
      block: aim.block === undefined ? state.block : aim.block,
      pod: aim.pod ?? null,
      previous: aim.previous ?? false,
      tail: aim.tail ?? null,
      at: aim.at ?? null,
      wish: state.wish + 1,
    })),
  select: (tab) => set({ tab }),
  aim: (block) =>
    set((state) => ({
      block,
      pod: null,
      previous: false,
      tail: null,
      at: null,
      wish: state.wish + 1,
    })),
  close: () => set({ shown: false }),
  resize: (height) => {
    const kept = Math.round(Math.min(MOST, Math.max(LEAST, height)));
    try {
      localStorage.setItem(KEY, String(kept));
    } catch {
      // Without storage the height lasts as long as the page.
    }
    set({ height: kept });
  },
}));

function remembered(): number {
  try {
    const kept = Number(localStorage.getItem(KEY));
    return kept >= LEAST && kept <= MOST ? kept : 300;
  } catch {
    return 300;
  }
}

/** The part of a page's address that opens the log on one line. */
export function lineLink(line: { at: string; block: string; pod: string }): string {
  const query = new URLSearchParams({ log: line.block, pod: line.pod, at: line.at });
  return `#${query.toString()}`;
}

/** What such an address aims at, or null. */
export function readLineLink(hash: string): (Aim & { block: string; at: string }) | null {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const [block, at] = [query.get("log"), query.get("at")];
  if (block === null || at === null || Number.isNaN(Date.parse(at))) return null;
  return { block, at, pod: query.get("pod") };
}
