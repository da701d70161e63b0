import { describe, expect, it } from "vitest";
import type { Block, Model } from "../api/types";
import { addGroup, emptyHistory, nextRedo, nextUndo, redone, undone } from "../state/history";
import { framesOf, groupProblem, groupsOf, inGroups } from "./groups";

const block = (name: string, group?: string): Block =>
  ({ name, group, sockets: [], offers: [], public: false }) as unknown as Block;
const model = { blocks: [block("web"), block("db", "data"), block("jobs", "data")] } as Pick<Model, "blocks">;

describe("groups", () => {
  it("are drawn around their blocks", () => {
    expect([...groupsOf(model)]).toEqual([["data", ["db", "jobs"]]]);
    const at = { web: { x: 0, y: 0 }, db: { x: 400, y: 100 }, jobs: { x: 700, y: 300 } };
    const [frame, ...rest] = framesOf(model, at, { db: 120, jobs: 100 });
    expect(rest).toEqual([]);
    expect(frame).toMatchObject({ name: "data", members: ["db", "jobs"], x: 382, y: 52 });
    expect((frame?.x ?? 0) + (frame?.width ?? 0)).toBe(700 + 240 + 18);
    expect((frame?.y ?? 0) + (frame?.height ?? 0)).toBe(300 + 100 + 18);
  });
  it("have names that the layout file can hold", () => {
    expect(groupProblem("Daten & Warteschlange")).toBeNull();
    expect(groupProblem('a"b')).not.toBeNull();
    expect(groupProblem("a\\b")).not.toBeNull();
    expect(groupProblem("x".repeat(61))).not.toBeNull();
  });
  it("stand together in the outline", () => {
    const mixed = [block("db", "data"), block("web"), block("jobs", "data")];
    expect(inGroups(mixed).map((it) => [it.group, it.blocks.map((b) => b.name)])).toEqual([
      ["data", ["db", "jobs"]],
      [null, ["web"]],
    ]);
  });
  it("are a step of the history", () => {
    const history = addGroup(emptyHistory, { db: null }, { db: "data" });
    const step = nextUndo(history, "set memory");
    expect(step?.kind).toBe("group");
    if (!step) throw new Error("no step");
    const back = undone(history, step);
    expect(nextUndo(back, "set memory")?.kind).toBe("verb");
    const again = nextRedo(back, null);
    expect(again).toEqual(step);
    expect(redone(back, step).done).toEqual([step]);
  });
});
