// What came of a verb that keeps an app well, in a sentence or two: a new login, a backup, a restore, a
// copy, an upgrade or its rehearsal. Pure. Where next: GoPanel.tsx.
import { targetWord } from "../api/target";
import { bytes, count, list, seconds } from "../system/words";

export const CARE: Record<string, [running: string, done: string]> = {
  rotate: ["Making a new login", "has a new login for a wire"],
  backup: ["Backing up", "is backed up"],
  restore: ["Restoring", "is restored"],
  copy: ["Copying", "is copied"],
  move: ["Moving", "has moved"],
  pack: ["Packing", "is packed"],
  upgrade: ["Trying the newer version", "was tried with the newer version"],
};

type Part = [block: string, bytes: number];

const parts = (all: unknown): string =>
  Array.isArray(all) && all.length > 0
    ? list((all as Part[]).map(([block, size]) => `${block} ${bytes(size)}`))
    : "no block holds data";

interface Rehearsal {
  block: string;
  from: string;
  to: string;
  good: boolean;
  seconds: number;
  wires: { wire: string; answered: boolean }[];
  error?: string | null;
}

const leftOut = (all: unknown): string[] =>
  (Array.isArray(all) ? (all as { block: string; reason: string }[]) : []).map(
    (it) => `Without ${it.block}: ${it.reason}.`,
  );

interface Moved {
  from: string;
  to: string;
  dry_run: boolean;
  undone: boolean;
  parts: Part[];
  kept: string | null;
  still_seconds: number;
}

/** What became of a move, or would: where it lives, with what, and for how long nobody could write. */
function moveLines(result: Record<string, unknown>): string[] {
  const { dry_run, undone, parts: held, kept, still_seconds, ...ends } = result as unknown as Moved;
  const [from, to] = [targetWord(ends.from), targetWord(ends.to)];
  if (undone) return [`The move to ${to} is taken back: it lives on ${from} as before.`];
  const blocks = held.map(([block]) => block);
  if (dry_run)
    return [
      `It can go from ${from} to ${to}, ${blocks.length > 0 ? `with the data of ${list(blocks)}` : "and holds no data"}. Nothing was changed.`,
    ];
  return [
    `It lives on ${to} now; nobody could write for ${seconds(still_seconds)}. ${blocks.length > 0 ? `It has ${parts(held)}.` : ""}`.trim(),
    `On ${from} it is stopped, with its data${kept ? ` and the backup ${kept}` : ""}, until it is removed there.`,
  ];
}

/** Sentences about the result of a verb; none for a verb that is told elsewhere. */
export function careLines(verb: string, result: Record<string, unknown> | null): string[] {
  if (result === null) return [];
  if (verb === "rotate")
    return [
      `${result.wire} logs in to ${result.provider} with the Secret ${result.secret}; the login before it is gone.`,
    ];
  if (verb === "backup")
    return [
      `Kept as ${result.name}, ${bytes(Number(result.size_bytes))}: ${parts(result.parts)}.`,
      ...leftOut(result.left_out),
    ];
  if (verb === "restore" || verb === "copy")
    return [`${result.app} has ${parts(result.parts)}.`, ...leftOut(result.left_out)];
  if (verb === "move") return moveLines(result);
  if (verb === "pack") {
    const images = Object.keys((result.images as Record<string, string> | undefined) ?? {}).length;
    return [
      `${result.path}, ${bytes(Number(result.size_bytes))} with ${count(images, "image")} and a list of ${result.packages} packages.`,
      "Run it on any Linux machine of this kind, also without a network: the app comes to life there.",
    ];
  }
  if (verb !== "upgrade") return [];
  const tried = result.rehearsal as Rehearsal | undefined;
  if (!tried) return [];
  const unheard = tried.wires.filter((it) => !it.answered).map((it) => it.wire);
  const what = tried.good
    ? `${tried.block}: ${tried.from} to ${tried.to} went well on a copy of its data; without it for ${seconds(tried.seconds)} at most.`
    : `${tried.block}: ${tried.to} did not work on a copy of its data; nothing was changed. ${tried.error ?? ""}`;
  return [
    what.trim(),
    ...(unheard.length > 0 ? [`No answer on ${list(unheard)}.`] : []),
    ...(typeof result.release === "string"
      ? [
          `It runs now${typeof result.snapshot === "string" ? `; what was before is kept as ${result.snapshot}` : ""}.`,
        ]
      : tried.good
        ? ["That was a rehearsal: the app runs as it did."]
        : []),
  ];
}
