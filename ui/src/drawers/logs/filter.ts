/** Which lines of a log are shown. Pure. */
import { LEVELS, type Level } from "./level";

export interface Filter {
  /** Blocks to show; empty: all. */
  blocks: ReadonlySet<string>;
  levels: ReadonlySet<Level>;
  text: string;
  /** Whether `text` is a regular expression. */
  regex: boolean;
  /** Made from `text` once; null if there is no text or it is not a valid expression. */
  pattern: RegExp | null;
  /** Why `text` is not a valid expression. */
  error: string | null;
}

/** Only so much of a line is given to a regular expression, so that a bad one cannot hang. */
export const MATCHED = 1_000;

export const EVERYTHING: Filter = make({});

export function make(wish: {
  blocks?: Iterable<string>;
  levels?: Iterable<Level>;
  text?: string;
  regex?: boolean;
}): Filter {
  const text = wish.text ?? "";
  const regex = wish.regex ?? false;
  let pattern: RegExp | null = null;
  let error: string | null = null;
  if (regex && text !== "") {
    try {
      pattern = new RegExp(text, "iu");
    } catch (cause) {
      error = reason(cause);
    }
  }
  return {
    blocks: new Set(wish.blocks ?? []),
    levels: new Set(wish.levels ?? LEVELS),
    text,
    regex,
    pattern,
    error,
  };
}

function reason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/^Invalid regular expression: /, "").replace(/^\/.*\/[a-z]*: /s, "");
}

/** Whether a line is shown. An expression that is not valid hides nothing. */
export function matches(filter: Filter, line: { block: string; level: Level; text: string }): boolean {
  if (filter.blocks.size > 0 && !filter.blocks.has(line.block)) return false;
  // The level of a line is only read out of it if it matters.
  if (filter.levels.size < LEVELS.length && !filter.levels.has(line.level)) return false;
  if (filter.text === "" || filter.error !== null) return true;
  if (filter.pattern !== null) return filter.pattern.test(line.text.slice(0, MATCHED));
  return line.text.toLowerCase().includes(filter.text.toLowerCase());
}

/** Whether anything is hidden. */
export function active(filter: Filter): boolean {
  return filter.blocks.size > 0 || filter.levels.size < LEVELS.length || filter.text !== "";
}
