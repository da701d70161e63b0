import { describe, expect, it } from "vitest";
import { byAuthor, chosen, draftWords, type Staged, tick, tickAll, ticked } from "./ticks";

const changes: Staged[] = [
  { id: "1", by: "Ana", summary: "add cache", mine: false },
  { id: "2", by: "root", summary: "set db.memory", mine: true },
  { id: "3", by: "root", summary: "wire web.db", mine: true },
];

describe("ticks", () => {
  it("others' changes are off until ticked", () => {
    expect(changes.map((change) => ticked(change, new Map()))).toEqual([false, true, true]);
    expect(chosen(changes, new Map())).toEqual(["2", "3"]);
  });
  it("names every change that goes, and nothing if there is none to choose", () => {
    expect(chosen(changes, tick(new Map(), "1", true))).toEqual(["1", "2", "3"]);
    expect(chosen([], new Map())).toBeUndefined();
  });
  it("what an editor wrote into the file goes along", () => {
    const all = [...changes, { id: "9", by: "file", summary: "edit app.toml", mine: false }];
    expect(chosen(all)).toEqual(["2", "3", "9"]);
    expect(draftWords(all)).toBe("4 changes · yours 2, Ana 1, in the file 1");
  });
  it("what was set by hand stays when new changes arrive", () => {
    const ticks = tick(new Map(), "2", false);
    const later = [...changes, { id: "4", by: "root", summary: "new", mine: true }];
    expect(chosen(later, ticks)).toEqual(["3", "4"]);
  });
  it("an author can be ticked as a whole", () => {
    expect(chosen(changes, tickAll(changes, new Map(), "root", false))).toEqual([]);
  });
  it("one's own come first", () => {
    expect(byAuthor(changes).map((group) => group.by)).toEqual(["root", "Ana"]);
    expect(draftWords(changes)).toBe("3 changes · yours 2, Ana 1");
    expect(draftWords([])).toBe("no changes");
  });
});
