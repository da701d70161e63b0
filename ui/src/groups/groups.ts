// Groups of blocks: a name around some of them, kept with their places and not in app.toml. Pure.
// Where next: GroupFrames.tsx (how they are drawn), GroupDialog.tsx (how they are made).
import type { Model, Positions } from "../api/types";
import { heightOf, WIDTH } from "../canvas/place";

export interface Frame {
  name: string;
  members: string[];
  x: number;
  y: number;
  width: number;
  height: number;
}

const PAD = 18;
const HEAD = 30;
const LONGEST = 60;

/** The groups of an app in the order of their first blocks. */
export function groupsOf(model: Pick<Model, "blocks">): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const it of model.blocks) {
    if (!it.group) continue;
    found.set(it.group, [...(found.get(it.group) ?? []), it.name]);
  }
  return found;
}

/** A frame around each group's blocks, wherever they stand. */
export function framesOf(
  model: Pick<Model, "blocks">,
  at: Positions,
  tall: Readonly<Record<string, number | undefined>>,
): Frame[] {
  return [...groupsOf(model)].flatMap(([name, members]): Frame[] => {
    const boxes = members.flatMap((member) => {
      const place = at[member];
      const block = model.blocks.find((it) => it.name === member);
      return place && block ? [{ ...place, height: tall[member] ?? heightOf(block) }] : [];
    });
    if (boxes.length === 0) return [];
    const x = Math.min(...boxes.map((it) => it.x)) - PAD;
    const y = Math.min(...boxes.map((it) => it.y)) - PAD - HEAD;
    const right = Math.max(...boxes.map((it) => it.x + WIDTH)) + PAD;
    const low = Math.max(...boxes.map((it) => it.y + it.height)) + PAD;
    return [{ name, members, x, y, width: right - x, height: low - y }];
  });
}

/** Why a text cannot name a group, or null. */
export function groupProblem(name: string): string | null {
  if (name.trim() === "") return null;
  if ([...name].length > LONGEST) return `At most ${LONGEST} characters.`;
  if (/["\\\p{Cc}]/u.test(name)) return "No quotes and no backslashes.";
  return null;
}

/** Blocks in the order of the Outline: those of a group stand together, where its first one stands. */
export function inGroups<T extends { name: string; group?: string | null }>(
  blocks: readonly T[],
): { group: string | null; blocks: T[] }[] {
  const out: { group: string | null; blocks: T[] }[] = [];
  for (const it of blocks) {
    const group = it.group ?? null;
    const known = group === null ? undefined : out.find((one) => one.group === group);
    if (known) known.blocks.push(it);
    else out.push({ group, blocks: [it] });
  }
  return out;
}
