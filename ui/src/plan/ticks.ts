/** Which staged changes go along: mine at first, others' only when ticked. Pure. */

/** One staged change of the draft. */
export interface Staged {
  id: string;
  by: string;
  initials?: string;
  at?: string;
  summary: string;
  command?: string;
  kind?: string;
  mine: boolean;
}

/** The ticks of one plan page: what the person set by hand; everything else is the default. */
export type Ticks = ReadonlyMap<string, boolean>;

/** Who the server names for what was changed in the file by an editor or by git: nobody else's draft. */
export const BY_FILE = "file";

/** One's own, and what is in the file already, go along unless taken out; others' only when ticked. */
export function ticked(change: Staged, ticks: Ticks): boolean {
  return ticks.get(change.id) ?? (change.mine || change.by === BY_FILE);
}

export function tick(ticks: Ticks, id: string, on: boolean): Ticks {
  return new Map(ticks).set(id, on);
}

/** Ticks or clears all changes of one author. */
export function tickAll(changes: readonly Staged[], ticks: Ticks, by: string, on: boolean): Ticks {
  const after = new Map(ticks);
  for (const change of changes) if (change.by === by) after.set(change.id, on);
  return after;
}

/** The ids to send, in the order of the draft; undefined if there is nothing to choose from. */
export function chosen(changes: readonly Staged[], ticks: Ticks = new Map()): string[] | undefined {
  if (changes.length === 0) return undefined;
  return changes.filter((change) => ticked(change, ticks)).map((change) => change.id);
}

export interface Group {
  by: string;
  mine: boolean;
  changes: Staged[];
}

/** By author, one's own first, then by name; within, as they were made. */
export function byAuthor(changes: readonly Staged[]): Group[] {
  const groups = new Map<string, Group>();
  for (const change of changes) {
    const group = groups.get(change.by) ?? { by: change.by, mine: change.mine, changes: [] };
    group.changes.push(change);
    groups.set(change.by, group);
  }
  return [...groups.values()].sort((a, b) => Number(b.mine) - Number(a.mine) || a.by.localeCompare(b.by));
}

const nameOf = (group: Group) => (group.mine ? "yours" : group.by === BY_FILE ? "in the file" : group.by);

/** `3 changes · yours 2, Ana 1` as the header has it. */
export function draftWords(changes: readonly Staged[]): string {
  if (changes.length === 0) return "no changes";
  const groups = byAuthor(changes).map((group) => `${nameOf(group)} ${group.changes.length}`);
  return `${changes.length} ${changes.length === 1 ? "change" : "changes"} · ${groups.join(", ")}`;
}
