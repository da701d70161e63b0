/**
 * Which lines of `app.toml` belong to which block: enough to bring the caret to a block and the
 * other way round, also while the text is broken. Reading the file for real is the server's.
 */

export interface Table {
  block: string;
  /** From 1, the line of the first header of the block. */
  from: number;
  /** The last line that belongs to it. */
  to: number;
}

const HEADER = /^\s*\[{1,2}\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*(?:\.|\])/;

/** The parts of the file by block, from top to bottom; a block may have several. */
export function tables(text: string): Table[] {
  const found: Table[] = [];
  const lines = text.split("\n");
  let fence: string | null = null;
  lines.forEach((line, index) => {
    // Headers inside a multi-line string are text.
    const marks: string[] = line.match(/"""|'''/g) ?? [];
    const inside = fence !== null;
    for (const mark of marks) {
      if (fence === null) fence = mark;
      else if (fence === mark) fence = null;
    }
    if (inside) return;
    const header = HEADER.exec(line);
    if (header === null) return;
    const block = header[1] ?? header[2] ?? header[3] ?? "";
    const before = found.at(-1);
    if (before !== undefined) before.to = lastWritten(lines, before.from, index);
    found.push({ block, from: index + 1, to: lines.length });
  });
  const last = found.at(-1);
  if (last !== undefined) last.to = lastWritten(lines, last.from, lines.length);
  return found;
}

/** The last line below `end` that is not empty or a comment (those belong to what follows). */
function lastWritten(lines: readonly string[], from: number, end: number): number {
  let line = end;
  while (line > from && /^\s*(#.*)?$/.test(lines[line - 1] ?? "")) line -= 1;
  return line;
}

/** The block whose table holds a line (from 1), or null. */
export function blockAt(text: string, line: number): string | null {
  const before = tables(text).filter((table) => table.from <= line);
  return before.at(-1)?.block ?? null;
}

/** The line (from 1) of a block's first header, or null. */
export function lineOf(text: string, block: string): number | null {
  return tables(text).find((table) => table.block === block)?.from ?? null;
}

/** The lines (from 1) of `after` that `before` does not have in that place. */
export function changedLines(before: string, after: string): { from: number; to: number } | null {
  if (before === after) return null;
  const [old, now] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (
    tail < old.length - head &&
    tail < now.length - head &&
    old[old.length - 1 - tail] === now[now.length - 1 - tail]
  )
    tail += 1;
  const to = now.length - tail;
  // Lines that only went away are marked where they were.
  if (to <= head) {
    const line = Math.max(1, Math.min(head + 1, now.length));
    return { from: line, to: line };
  }
  return { from: head + 1, to };
}
