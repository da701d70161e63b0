import { describe, expect, it } from "vitest";
import { addMove, addVerb, emptyHistory, nextRedo, nextUndo, REPEAT_MS, redone, undone } from "./history";

const at = (x: number) => ({ db: { x, y: 0 } });

describe("history", () => {
  it("joins key repeats into one move that goes back to the beginning", () => {
    let it = addMove(emptyHistory, at(0), at(8), 1000);
    it = addMove(it, at(8), at(16), 1000 + REPEAT_MS);
    it = addMove(it, at(16), at(24), 1000 + 2 * REPEAT_MS);
    expect(it.done).toEqual([{ kind: "move", before: at(0), after: at(24) }]);
  });
  it("keeps moves apart that come later or are of other blocks", () => {
    let it = addMove(emptyHistory, at(0), at(8), 1000);
    it = addMove(it, at(8), at(16), 1001 + REPEAT_MS);
    it = addMove(it, { web: { x: 0, y: 0 } }, { web: { x: 8, y: 0 } }, 1010 + REPEAT_MS);
    expect(it.done).toHaveLength(3);
  });
  it("undoes moves and verbs in the order they were done", () => {
    let it = addVerb(emptyHistory, "add db");
    it = addMove(it, at(0), at(8), 1000);
    const first = nextUndo(it, "add db");
    expect(first).toMatchObject({ kind: "move" });
    it = undone(it, first as NonNullable<typeof first>);
    const second = nextUndo(it, "add db");
    expect(second).toEqual({ kind: "verb", summary: "add db" });
    it = undone(it, second as NonNullable<typeof second>);
    expect(nextUndo(it, null)).toBeNull();
    expect(nextRedo(it, "add db")).toMatchObject({ kind: "verb" });
    it = redone(it, { kind: "verb", summary: "add db" });
    expect(nextRedo(it, null)).toMatchObject({ kind: "move" });
  });
  it("offers the server's verb although this page did not make it", () => {
    expect(nextUndo(emptyHistory, "set db.size")).toEqual({ kind: "verb", summary: "set db.size" });
    const it = undone(emptyHistory, { kind: "verb", summary: "set db.size" });
    expect(it.done).toEqual([]);
  });
  it("forgets what could be redone when something new is done", () => {
    const it = undone(addVerb(emptyHistory, "add db"), { kind: "verb", summary: "add db" });
    expect(addVerb(it, "add web").undone).toEqual([]);
  });
});
