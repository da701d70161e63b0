/**
 * The text a person edits and the text the server has. Pure: what happens to the buffer when
 * someone types, saves, or the file changes underneath.
 */

export interface Buffer {
  /** What the editor shows. */
  text: string;
  /** What the server had when `text` was last the same as it. */
  base: string;
  /** The revision of `base`. */
  revision: string;
  /** The file changed while there were changes of one's own: what it is now. */
  theirs: { text: string; revision: string } | null;
}

export function open(text: string, revision: string): Buffer {
  return { text, base: text, revision, theirs: null };
}

export function dirty(buffer: Buffer): boolean {
  return buffer.text !== buffer.base;
}

export function typed(buffer: Buffer, text: string): Buffer {
  return buffer.text === text ? buffer : { ...buffer, text };
}

/** The server has `text` now. Without changes of one's own it is simply shown. */
export function arrived(buffer: Buffer, text: string, revision: string): Buffer {
  if (revision === buffer.revision) return buffer;
  if (!dirty(buffer) || buffer.text === text) return open(text, revision);
  const merged = merge(buffer.base, buffer.text, text);
  // Changes in different places need no question.
  if (merged !== null) return { text: merged, base: text, revision, theirs: null };
  return { ...buffer, theirs: { text, revision } };
}

/** Own text goes over theirs: it will be saved on top of their revision. */
export function keepMine(buffer: Buffer): Buffer {
  if (buffer.theirs === null) return buffer;
  return { text: buffer.text, base: buffer.theirs.text, revision: buffer.theirs.revision, theirs: null };
}

export function takeTheirs(buffer: Buffer): Buffer {
  return buffer.theirs === null ? buffer : open(buffer.theirs.text, buffer.theirs.revision);
}

/** A text made from both. */
export function settle(buffer: Buffer, text: string): Buffer {
  return { ...keepMine(buffer), text };
}

interface Hunk {
  from: number;
  to: number;
  lines: string[];
}

/** The one stretch of lines in which `b` differs from `a`. */
function hunk(a: readonly string[], b: readonly string[]): Hunk {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail += 1;
  return { from: head, to: a.length - tail, lines: b.slice(head, b.length - tail) };
}

/** Both changes on one base, if they lie apart; null if they touch. */
export function merge(base: string, mine: string, theirs: string): string | null {
  const lines = base.split("\n");
  const [one, two] = [hunk(lines, mine.split("\n")), hunk(lines, theirs.split("\n"))];
  const [first, second] = one.from <= two.from ? [one, two] : [two, one];
  // Touching is too near: two lines added at one place have no order.
  if (first.to >= second.from) return null;
  return [
    ...lines.slice(0, first.from),
    ...first.lines,
    ...lines.slice(first.to, second.from),
    ...second.lines,
    ...lines.slice(second.to),
  ].join("\n");
}
