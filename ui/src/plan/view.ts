/** A plan in words: what comes, changes and goes, what it interrupts, how long it takes. Pure. */
import type { PlanChange, PlanReport, Release, StatusReport } from "../api/types";
import { count, list, seconds } from "../system/words";

export interface Line {
  mark: "+" | "−" | "~";
  word: "added" | "removed" | "changed";
  subject: string;
  text: string;
  restarts: boolean;
}

const MARKS = {
  added: ["+", "added"],
  changed: ["~", "changed"],
  removed: ["−", "removed"],
} as const;

/** One line per block that does not stay as it is. */
export function blockLines(changes: readonly PlanChange[]): Line[] {
  const found: Line[] = [];
  for (const change of changes) {
    if (change.kind === "unchanged") continue;
    const [mark, word] = MARKS[change.kind];
    found.push({
      mark,
      word,
      subject: change.block,
      text: change.reasons.join(", "),
      restarts: change.restarts,
    });
  }
  const order = { added: 0, changed: 1, removed: 2 };
  return found.sort((a, b) => order[a.word] - order[b.word] || a.subject.localeCompare(b.subject));
}

/** Wires that come or go, as the plan's text has them: `+ wire web.db -> db  postgres/1   …`. */
export function wireLines(lines: readonly string[]): Line[] {
  const found: Line[] = [];
  for (const line of lines) {
    const match = /^([+~-]) wire (\S+) -> (\S+)\s*(.*)$/.exec(line);
    if (match === null) continue;
    const kind = match[1] === "+" ? "added" : match[1] === "-" ? "removed" : "changed";
    const [mark, word] = MARKS[kind];
    found.push({
      mark,
      word,
      subject: `${match[2]} → ${match[3]}`,
      text: (match[4] ?? "").replace(/\s{2,}/g, ", "),
      restarts: false,
    });
  }
  return found;
}

const short = (digest: string): string => digest.replace(/^sha256:/, "").slice(0, 12);

/** Tags that moved since their images were pinned: Go keeps the image that is pinned. */
export function movedTags(plan: PlanReport): string[] {
  return (plan.moved ?? []).map(
    (one) =>
      `${one.block}: ${one.image} stands for another image now, ${short(one.now)} instead of ${short(one.pinned)}`,
  );
}

/** `2 added, 1 changed, 3 stay as they are`. */
export function sum(changes: readonly PlanChange[]): string {
  const number = (kind: PlanChange["kind"]) => changes.filter((change) => change.kind === kind).length;
  const parts = (["added", "changed", "removed"] as const)
    .filter((kind) => number(kind) > 0)
    .map((kind) => `${number(kind)} ${kind}`);
  const same = number("unchanged");
  if (same > 0)
    parts.push(`${same} ${same === 1 ? "stays" : "stay"} as ${same === 1 ? "it is" : "they are"}`);
  return parts.length === 0 ? "no blocks yet" : parts.join(", ");
}

/** Which blocks are interrupted, in words. */
export function restarts(changes: readonly PlanChange[]): string {
  const names = changes
    .filter((change) => change.restarts && change.kind === "changed")
    .map((it) => it.block);
  if (names.length === 0) return "Nothing that runs is restarted.";
  return `${list(names)} ${names.length === 1 ? "is" : "are"} restarted; new copies are ready before old ones stop where there is room for both.`;
}

/** New addresses that the internet, or the machine, can reach afterwards. */
export function addresses(plan: Pick<PlanReport, "url">, status: StatusReport | undefined): string {
  if (plan.url === null) return "No address: nothing of it is public.";
  const before = status?.url ?? null;
  if (before === plan.url) return `The address stays ${plan.url}.`;
  return before === null ? `New address: ${plan.url}` : `New address: ${plan.url}, instead of ${before}`;
}

/** How long the Gos of this app took, so that nobody has to guess. */
export function duration(plan: PlanReport, releases: readonly Release[]): string {
  if (typeof plan.seconds === "number") return `About ${seconds(plan.seconds)}, as measured here.`;
  const known = releases.map((one) => one.seconds).filter((one) => one > 0);
  if (known.length === 0) {
    return "This is the first Go here, so there is no time to go by; images are made once and then kept.";
  }
  const recent = known.slice(0, 5).sort((a, b) => a - b);
  const middle = recent[Math.floor(recent.length / 2)] ?? 0;
  return known.length === 1
    ? `The last Go took ${seconds(middle)}.`
    : `The last ${count(recent.length, "Go", "Gos")} took ${seconds(recent[0] ?? 0)} to ${seconds(recent.at(-1) ?? 0)}, half of them at most ${seconds(middle)}.`;
}
