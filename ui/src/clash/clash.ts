// Where two people, or a person and an editor, mean the same field: what a draft asked for against
// what the file says now. Pure. Where next: Clashes.tsx (how it asks), ../state/edits.ts (who tells).
import type { Block, Edit, HistoryEntry, Model } from "../api/types";

export interface Clash {
  /** Names the question: a new value of theirs asks anew. */
  id: string;
  block: string;
  /** `memory`, `copies of web`, `socket db`. */
  what: string;
  mine: string;
  theirs: string;
  /** Who wrote theirs; `file` is an editor or git. */
  by: string;
  /** The line of the file it is about, if it is known. */
  line?: number;
  /** What makes it mine again. */
  again: Edit[];
}

interface FieldOf {
  key: string;
  what: string;
  wanted: string;
  now: string;
  line?: number;
}

const NOTHING = "nothing";
const text = (value: unknown): string =>
  value === null || value === undefined || value === "" ? NOTHING : String(value);

function processOf(block: Block, name: string | undefined) {
  return block.processes.find((it) => it.name === name) ?? block.processes[0];
}

/** The one field an edit is about, as the edit wants it and as the model has it; null: none to compare. */
export function fieldOf(model: Model, edit: Edit): FieldOf | null {
  const block = model.blocks.find((it) => it.name === edit.block);
  if (!block) return null;
  switch (edit.verb) {
    case "set":
    case "unset": {
      const it = block.settings.find((one) => one.name === edit.setting);
      if (!it) return null;
      const wanted = edit.verb === "set" ? edit.value : it.default;
      return {
        key: `set ${it.name}`,
        what: it.name,
        wanted: text(wanted),
        now: text(it.value),
        line: it.line ?? block.line,
      };
    }
    case "env": {
      const it = block.env.find((one) => one.name === edit.name);
      if (it?.secret) return null;
      return {
        key: `env ${edit.name}`,
        what: edit.name,
        wanted: text(edit.value),
        now: text(it?.value),
        line: block.line,
      };
    }
    case "copies": {
      const it = processOf(block, edit.process);
      if (!it) return null;
      const most = (it as { copies_at_most?: number | null }).copies_at_most;
      const now = most && most !== it.copies ? `${it.copies}..${most}` : String(it.copies);
      return {
        key: `copies ${it.name}`,
        what: `copies of ${it.name}`,
        wanted: edit.copies,
        now,
        line: block.line,
      };
    }
    case "url": {
      const it = processOf(block, edit.process);
      if (!it) return null;
      const say = (paths: string[]) => (paths.length === 0 ? "private" : paths.join(" "));
      return {
        key: `url ${it.name}`,
        what: `address of ${it.name}`,
        wanted: say(edit.path),
        now: say(it.paths),
        line: block.line,
      };
    }
    case "wire":
    case "unwire": {
      const it = block.sockets.find((one) => one.name === edit.socket);
      // Sockets that take many have no one value to clash over.
      if (!it || it.cardinality === "many" || it.cardinality === "some") return null;
      const wanted = edit.verb === "wire" ? (edit.provider.split(".")[0] ?? "") : "";
      return {
        key: `wire ${it.name}`,
        what: `socket ${it.name}`,
        wanted: text(wanted),
        now: text(it.providers.map((one) => one.split(".")[0]).join(", ")),
        line: it.line ?? block.line,
      };
    }
    default:
      return null;
  }
}

/**
 * The fields of a person's draft that somebody else has written since: the newest wish for each field,
 * the file's value now, and a later change of somebody else that stands.
 */
export function clashesOf(model: Model, entries: readonly HistoryEntry[], me: string): Clash[] {
  const open = entries.filter((it) => !it.undone && !it.released);
  const seen = new Set<string>();
  const found: Clash[] = [];
  for (let at = open.length - 1; at >= 0; at -= 1) {
    const entry = open[at];
    if (!entry || entry.by !== me) continue;
    for (const edit of [...entry.edits].reverse()) {
      const field = fieldOf(model, edit);
      if (!field) continue;
      const key = `${edit.block}/${field.key}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (field.wanted === field.now) continue;
      const later = open.slice(at + 1).filter((it) => it.by !== me);
      const same = (it: HistoryEntry) =>
        it.edits.some((one) => one.block === edit.block && fieldOf(model, one)?.key === field.key);
      const who = later.findLast(same) ?? later.findLast((it) => it.by === "file");
      if (!who) continue;
      found.push({
        id: `${entry.id}/${key}/${field.now}`,
        block: edit.block,
        what: field.what,
        mine: field.wanted,
        theirs: field.now,
        by: who.by,
        line: field.line,
        again: [edit],
      });
    }
  }
  return found;
}

/** The fields of a refused edit that differ between what its author saw and what is there now. */
export function clashesIn(edits: readonly Edit[], seen: Model, now: Model, by: string): Clash[] {
  return edits.flatMap((edit): Clash[] => {
    const before = fieldOf(seen, edit);
    const after = fieldOf(now, edit);
    if (!after || before?.now === after.now || after.now === after.wanted) return [];
    return [
      {
        id: `${now.revision}/${edit.block}/${after.key}`,
        block: edit.block,
        what: after.what,
        mine: after.wanted,
        theirs: after.now,
        by,
        line: after.line,
        again: [edit],
      },
    ];
  });
}

/** `… (Ana)` at the end of what the server said. */
export const authorIn = (message: string): string => /\(([^()]+)\)\s*$/.exec(message)?.[1] ?? "somebody";
