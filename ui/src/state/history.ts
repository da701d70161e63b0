// Undo on this screen: verbs are undone by the server, moves of blocks by us, in the order they were
// done. Key repeats within 250 ms are one step. Where next: edits.ts.
import type { Groups, Positions } from "../api/types";

export type Step =
  | { kind: "verb"; summary: string }
  | { kind: "move"; before: Positions; after: Positions }
  | { kind: "group"; before: Groups; after: Groups };
export interface History {
  done: Step[];
  undone: Step[];
  /** When the last move was added, to join repeats. */
  movedAt: number;
}
export const REPEAT_MS = 250;
const MOST_STEPS = 200;

export const emptyHistory: History = { done: [], undone: [], movedAt: 0 };

const sameBlocks = (a: Positions, b: Positions) =>
  Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => name in b);

export function addVerb(history: History, summary: string): History {
  return {
    done: [...history.done, { kind: "verb", summary } as Step].slice(-MOST_STEPS),
    undone: [],
    movedAt: 0,
  };
}

export function addMove(history: History, before: Positions, after: Positions, now: number): History {
  const last = history.done.at(-1);
  if (last?.kind === "move" && now - history.movedAt <= REPEAT_MS && sameBlocks(last.after, after)) {
    const joined: Step = { kind: "move", before: last.before, after };
    return { done: [...history.done.slice(0, -1), joined], undone: [], movedAt: now };
  }
  return {
    done: [...history.done, { kind: "move", before, after } as Step].slice(-MOST_STEPS),
    undone: [],
    movedAt: now,
  };
}

export function addGroup(history: History, before: Groups, after: Groups): History {
  return {
    done: [...history.done, { kind: "group", before, after } as Step].slice(-MOST_STEPS),
    undone: [],
    movedAt: 0,
  };
}

/** What to undo: a move or a group of ours, or the server's last verb; null if there is neither. */
export function nextUndo(history: History, server: string | null): Step | null {
  const last = history.done.at(-1);
  if (last && last.kind !== "verb") return last;
  return server === null ? null : { kind: "verb", summary: server };
}
export function nextRedo(history: History, server: string | null): Step | null {
  const last = history.undone.at(-1);
  if (last && last.kind !== "verb") return last;
  return server === null ? null : { kind: "verb", summary: server };
}

/** The history after the step that `nextUndo` gave was undone. */
export function undone(history: History, step: Step): History {
  const last = history.done.at(-1);
  const done = last?.kind === step.kind ? history.done.slice(0, -1) : history.done;
  return { done, undone: [...history.undone, step], movedAt: 0 };
}
export function redone(history: History, step: Step): History {
  const last = history.undone.at(-1);
  const rest = last?.kind === step.kind ? history.undone.slice(0, -1) : history.undone;
  return { done: [...history.done, step], undone: rest, movedAt: 0 };
}
