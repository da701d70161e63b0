import { describe, expect, it } from "vitest";
import type { Block, Edit, HistoryEntry, Model } from "../api/types";
import { authorIn, clashesIn, clashesOf } from "./clash";

const block = (memory: string, copies = 1): Block =>
  ({
    name: "db",
    line: 2,
    settings: [
      { name: "memory", value: memory, default: "512Mi", origin: "you", help: "", type: "text", line: 4 },
    ],
    processes: [{ name: "db", paths: [], copies }],
    sockets: [
      {
        name: "q",
        cardinality: "optional",
        providers: ["jobs"],
        interface: "amqp/1",
        limits: [],
        missing: false,
      },
    ],
    env: [],
  }) as unknown as Block;
const model = (memory: string, copies = 1): Model =>
  ({ app: "a", revision: "r2", blocks: [block(memory, copies)], wires: [], changes: [] }) as unknown as Model;
const set = (value: string): Edit => ({ verb: "set", block: "db", setting: "memory", value });
const entry = (id: string, by: string, edits: Edit[], more: Partial<HistoryEntry> = {}): HistoryEntry => ({
  id,
  by,
  edits,
  at: "",
  summary: "",
  command: "",
  undone: false,
  released: null,
  ...more,
});
const editor = (id: string) => entry(id, "file", [{ verb: "restore" } as unknown as Edit]);

describe("a draft against what others wrote", () => {
  it("asks where an editor changed the field of my draft", () => {
    const [clash, ...rest] = clashesOf(model("2Gi"), [entry("1", "Ada", [set("1Gi")]), editor("2")], "Ada");
    expect(rest).toEqual([]);
    expect(clash).toMatchObject({
      block: "db",
      what: "memory",
      mine: "1Gi",
      theirs: "2Gi",
      by: "file",
      line: 4,
    });
    expect(clash?.again).toEqual([set("1Gi")]);
  });
  it("says nothing while the file has what I wanted, or nobody came after me", () => {
    expect(clashesOf(model("1Gi"), [entry("1", "Ada", [set("1Gi")]), editor("2")], "Ada")).toEqual([]);
    expect(clashesOf(model("2Gi"), [entry("1", "Ada", [set("1Gi")])], "Ada")).toEqual([]);
    expect(clashesOf(model("2Gi"), [editor("0"), entry("1", "Ada", [set("1Gi")])], "Ada")).toEqual([]);
  });
  it("takes my newest wish, and none that was undone or went out", () => {
    const mine = [entry("1", "Ada", [set("1Gi")]), entry("2", "Ana", [set("2Gi")])];
    expect(clashesOf(model("2Gi"), mine, "Ada")[0]?.by).toBe("Ana");
    const again = [...mine, entry("3", "Ada", [set("2Gi")])];
    expect(clashesOf(model("2Gi"), again, "Ada")).toEqual([]);
    const done = [entry("1", "Ada", [set("1Gi")], { released: "abc" }), editor("2")];
    expect(clashesOf(model("2Gi"), done, "Ada")).toEqual([]);
    const undone = [entry("1", "Ada", [set("1Gi")], { undone: true }), editor("2")];
    expect(clashesOf(model("2Gi"), undone, "Ada")).toEqual([]);
  });
  it("does not blame Ana for a field she never touched", () => {
    const copies: Edit = { verb: "copies", block: "db", copies: "3" };
    const entries = [entry("1", "Ada", [copies]), entry("2", "Ana", [set("2Gi")])];
    expect(clashesOf(model("2Gi", 1), entries, "Ada")).toEqual([]);
  });
  it("compares a refused edit with what its author saw", () => {
    expect(clashesIn([set("1Gi")], model("512Mi"), model("512Mi"), "Ana")).toEqual([]);
    const [clash] = clashesIn([set("1Gi")], model("512Mi"), model("2Gi"), "Ana");
    expect(clash).toMatchObject({ mine: "1Gi", theirs: "2Gi", by: "Ana" });
    const unwire: Edit = { verb: "wire", block: "db", socket: "q", provider: "bus.amqp" };
    const before = model("1");
    if (before.blocks[0]?.sockets[0]) before.blocks[0].sockets[0].providers = [];
    expect(clashesIn([unwire], before, model("1"), "Ana")[0]).toMatchObject({ mine: "bus", theirs: "jobs" });
  });
  it("reads who it was from the server's words", () => {
    expect(authorIn("somebody changed the same field since: db.memory = 2Gi (Ana Maria)")).toBe("Ana Maria");
    expect(authorIn("the app file is not at revision x any more")).toBe("somebody");
  });
});
