// How a block is said aloud, and the words for rungs. One place, so that the canvas and the Outline say the same.
import type { Block, BlockStatus } from "../api/types";
import type { Shown } from "./status";

export interface Rung {
  word: string;
  costs: string;
  back: string;
}
const STOCK: Rung = {
  word: "stock",
  costs:
    "As it comes from the shelf, with your settings. Upgrades, backup and tested pairs are yours for free.",
  back: "Nothing to go back from.",
};
export const RUNGS: Record<Block["rung"], Rung> = {
  0: STOCK,
  1: STOCK,
  2: {
    word: "extended",
    costs:
      "You added something at a point the module declares. Upgrades still come by themselves; your addition is tried with them.",
    back: "Empty the extension point under Files.",
  },
  3: {
    word: "patched",
    costs:
      "An object is changed after it was made. Upgrades are tried and ask you first; every plan lists the patch.",
    back: "Delete the patch in the file, or use a setting or an extension point that gives the same.",
  },
  4: {
    word: "yours",
    costs: "Your own source. You own its lines, its updates and its security fixes.",
    back: "Use a module of the shelf if one does the same.",
  },
};
export function rungOf(block: Pick<Block, "rung" | "from">): Rung {
  if (block.from.kind === "external") {
    return {
      word: "external",
      costs: "Somebody else runs it; this app only holds the login.",
      back: "Put a module in its place.",
    };
  }
  if (block.from.kind === "image") {
    return {
      word: RUNGS[4].word,
      costs:
        "An image that was built elsewhere and runs as it is. You choose its tag: when it moves on, and what it may reach.",
      back: "Use a module of the shelf if one does the same.",
    };
  }
  return RUNGS[block.rung];
}

/** "web, ready, 2 of 2 copies, stock, needs postgres/1 wired to db, public". */
export function spokenOf(block: Block, shown: Shown, status?: BlockStatus): string {
  const parts = [block.name, shown.detail ? `${shown.word} ${shown.detail}` : shown.word];
  if (status && status.wanted > 0)
    parts.push(`${status.ready} of ${status.wanted} ${status.wanted === 1 ? "copy" : "copies"}`);
  parts.push(rungOf(block).word);
  for (const it of block.sockets) {
    if (it.providers.length > 0)
      parts.push(`${it.name} needs ${it.interface}, wired to ${it.providers.join(" and ")}`);
    else
      parts.push(
        it.missing ? `${it.name} needs ${it.interface}, not wired` : `${it.name} may take ${it.interface}`,
      );
  }
  const broken = block.assumptions.filter((it) => it.state === "broken").length;
  if (broken > 0) parts.push(`${broken} ${broken === 1 ? "assumption" : "assumptions"} broken`);
  parts.push(block.public ? "public" : "private");
  if (block.staged) parts.push(`changed by ${block.staged.by}, not yet live`);
  return parts.join(", ");
}

/** Whether the app says itself what a block needs, sets and holds: a folder or an image, not a module. */
export const isOwn = (block: Pick<Block, "from">): boolean =>
  block.from.kind === "source" || block.from.kind === "image";

/** Module and version, the folder, or the image as its registry calls it last, where its tag is. */
export function fromText(block: Pick<Block, "from">): string {
  const { from } = block;
  if (from.kind === "module") return `${from.module} ${from.version ?? ""}`.trim();
  if (from.kind === "source") return from.path ?? "your source";
  if (from.kind === "image") return from.image?.split("/").at(-1) ?? "an image";
  return "external";
}
