/** Two texts line by line, for comparing releases: what went, what came, with a little around it. Pure. */

export interface DiffLine {
  kind: "same" | "added" | "removed" | "gap";
  text: string;
  /** Line numbers from 1; null where the side has no such line. */
  before: number | null;
  after: number | null;
}

/** Files longer than this (changed part) are compared as one block: the table would be too large. */
const MOST = 2_000;

export function diff(before: string, after: string, around = 3): DiffLine[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const all: DiffLine[] = [];
  for (let i = 0; i < head; i += 1) all.push({ kind: "same", text: a[i] ?? "", before: i + 1, after: i + 1 });
  all.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head));
  for (let i = tail; i > 0; i -= 1) {
    all.push({
      kind: "same",
      text: a[a.length - i] ?? "",
      before: a.length - i + 1,
      after: b.length - i + 1,
    });
  }
  return folded(all, around);
}

function middle(a: readonly string[], b: readonly string[], offset: number): DiffLine[] {
  const removed = (i: number): DiffLine => ({
    kind: "removed",
    text: a[i] ?? "",
    before: offset + i + 1,
    after: null,
  });
  const added = (j: number): DiffLine => ({
    kind: "added",
    text: b[j] ?? "",
    before: null,
    after: offset + j + 1,
  });
  if (a.length > MOST || b.length > MOST)
    return [...a.map((_, i) => removed(i)), ...b.map((_, j) => added(j))];
  // Length of the longest common subsequence of a[i..] and b[j..].
  const wide = b.length + 1;
  const length = new Uint16Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      length[i * wide + j] =
        a[i] === b[j]
          ? (length[(i + 1) * wide + j + 1] ?? 0) + 1
          : Math.max(length[(i + 1) * wide + j] ?? 0, length[i * wide + j + 1] ?? 0);
    }
  }
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ kind: "same", text: a[i] ?? "", before: offset + i + 1, after: offset + j + 1 });
      i += 1;
      j += 1;
    } else if (
      j >= b.length ||
      (i < a.length && (length[(i + 1) * wide + j] ?? 0) >= (length[i * wide + j + 1] ?? 0))
    ) {
      found.push(removed(i));
      i += 1;
    } else {
      found.push(added(j));
      j += 1;
    }
  }
  return found;
}

/** Long stretches that are the same become one line that says how many there are. */
function folded(lines: readonly DiffLine[], around: number): DiffLine[] {
  const near = new Set<number>();
  lines.forEach((line, index) => {
    if (line.kind === "same") return;
    for (let i = index - around; i <= index + around; i += 1) near.add(i);
  });
  const found: DiffLine[] = [];
  let skipped = 0;
  const close = () => {
    if (skipped > 0) {
      found.push({
        kind: "gap",
        text: `${skipped} ${skipped === 1 ? "line is" : "lines are"} the same`,
        before: null,
        after: null,
      });
    }
    skipped = 0;
  };
  lines.forEach((line, index) => {
    if (near.has(index)) {
      close();
      found.push(line);
    } else skipped += 1;
  });
  close();
  return found;
}
