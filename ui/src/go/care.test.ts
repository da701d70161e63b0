import { describe, expect, it } from "vitest";
import { careLines } from "./care";

describe("what care came to", () => {
  it("names the login, never its value", () => {
    expect(careLines("rotate", { wire: "web.db", provider: "db", secret: "web-db-b" })).toEqual([
      "web.db logs in to db with the Secret web-db-b; the login before it is gone.",
    ]);
  });
  it("says what a backup holds and what it lacks", () => {
    const said = careLines("backup", {
      name: "20261123-backup",
      size_bytes: 2048,
      parts: [["db", 1024]],
      left_out: [{ block: "jobs", reason: "its module declares no way" }],
    });
    expect(said).toEqual([
      "Kept as 20261123-backup, 2.0 KiB: db 1.0 KiB.",
      "Without jobs: its module declares no way.",
    ]);
    expect(careLines("backup", { name: "n", size_bytes: 0, parts: [] })[0]).toContain("no block holds data");
  });
  it("tells a rehearsal from an upgrade", () => {
    const rehearsal = {
      block: "db",
      from: "postgres 15.1.0",
      to: "16.0.0",
      good: true,
      seconds: 4,
      wires: [{ wire: "web.db", answered: true }],
    };
    expect(careLines("upgrade", { rehearsal, release: null }).at(-1)).toMatch(/rehearsal/);
    expect(careLines("upgrade", { rehearsal, release: "r2", snapshot: "s" }).at(-1)).toBe(
      "It runs now; what was before is kept as s.",
    );
    const bad = { ...rehearsal, good: false, wires: [], error: "it ended with 1" };
    expect(careLines("upgrade", { rehearsal: bad, release: null })).toEqual([
      "db: 16.0.0 did not work on a copy of its data; nothing was changed. it ended with 1",
    ]);
  });
  it("says nothing of other verbs", () => {
    expect(careLines("go", {})).toEqual([]);
    expect(careLines("rotate", null)).toEqual([]);
  });
});
