import { describe, expect, it } from "vitest";
import type { PlanChange, PlanReport, Release } from "../api/types";
import { addresses, blockLines, duration, movedTags, restarts, sum, wireLines } from "./view";

const change = (block: string, kind: PlanChange["kind"], restarts = false): PlanChange => ({
  block,
  kind,
  reasons: ["image", "2 settings"],
  restarts,
});
const changes = [
  change("web", "changed", true),
  change("cache", "added"),
  change("old", "removed"),
  change("db", "unchanged"),
];
const plan = (url: string | null): PlanReport => ({
  app: "shop",
  changes,
  object_count: 20,
  wires: [],
  assumptions: [],
  data_at_risk: [],
  url,
  has_changes: true,
  lines: [],
});
const release = (seconds: number): Release => ({ release: "r", at: "", by: "", seconds, summary: "" });

describe("plan in words", () => {
  it("what comes first, what goes last, what stays not at all", () => {
    expect(blockLines(changes).map((line) => `${line.mark} ${line.subject}`)).toEqual([
      "+ cache",
      "~ web",
      "− old",
    ]);
    expect(sum(changes)).toBe("1 added, 1 changed, 1 removed, 1 stays as it is");
  });
  it("reads wires out of the plan's text, and nothing else", () => {
    const found = wireLines([
      "shop: 1 added",
      "+ wire web.db -> db  postgres/1   own login, 6 values",
      "~ web  image",
      "- wire web.old -> old",
    ]);
    expect(found.map((line) => [line.mark, line.subject, line.text])).toEqual([
      ["+", "web.db → db", "postgres/1, own login, 6 values"],
      ["−", "web.old → old", ""],
    ]);
  });
  it("names tags that moved", () => {
    expect(movedTags(plan(null))).toEqual([]);
    const moved = [
      {
        block: "web",
        image: "r.lan/web:1",
        pinned: `sha256:${"a".repeat(64)}`,
        now: `sha256:${"b".repeat(64)}`,
      },
    ];
    expect(movedTags({ ...plan(null), moved })).toEqual([
      "web: r.lan/web:1 stands for another image now, bbbbbbbbbbbb instead of aaaaaaaaaaaa",
    ]);
  });
  it("says what is interrupted", () => {
    expect(restarts(changes)).toMatch(/^web is restarted/);
    expect(restarts([change("a", "added", true)])).toBe("Nothing that runs is restarted.");
  });
  it("names an address only if it is new", () => {
    const status = {
      app: "shop",
      state: "ready" as const,
      url: "http://a/",
      release: null,
      released_at: null,
      blocks: [],
    };
    expect(addresses(plan(null), status)).toMatch(/^No address/);
    expect(addresses(plan("http://a/"), status)).toBe("The address stays http://a/.");
    expect(addresses(plan("http://b/"), status)).toBe("New address: http://b/, instead of http://a/");
    expect(addresses(plan("http://b/"), undefined)).toBe("New address: http://b/");
  });
  it("takes the time from what was measured, and never invents one", () => {
    expect(duration({ ...plan(null), seconds: 12 }, [])).toBe("About 12 s, as measured here.");
    expect(duration(plan(null), [])).toMatch(/first Go here/);
    expect(duration(plan(null), [release(42)])).toBe("The last Go took 42 s.");
    expect(duration(plan(null), [release(9.9), release(30), release(60)])).toBe(
      "The last 3 Gos took 9.9 s to 1 min, half of them at most 30 s.",
    );
  });
});
