import { describe, expect, it } from "vitest";
import { arrived, dirty, keepMine, merge, open, takeTheirs, typed } from "./buffer";
import { blockAt, changedLines, lineOf, tables } from "./tables";

const SHOP = `app = "shop"

# the data
[db]
use = "postgres@15"

[web]
source = "./web"
text = """
[not-a-block]
"""

[web.run]
web = { port = 8080 }

# the queue
[jobs]
use = "rabbitmq@3"
`;

describe("tables", () => {
  it("finds each block's lines, and no header inside a string", () => {
    expect(tables(SHOP).map((t) => [t.block, t.from, t.to])).toEqual([
      ["db", 4, 5],
      ["web", 7, 11],
      ["web", 13, 14],
      ["jobs", 17, 18],
    ]);
  });
  it("goes from a line to its block and back", () => {
    expect(blockAt(SHOP, 1)).toBeNull();
    expect(blockAt(SHOP, 14)).toBe("web");
    expect(lineOf(SHOP, "jobs")).toBe(17);
    expect(lineOf(SHOP, "none")).toBeNull();
  });
  it("reads quoted and broken headers without falling over", () => {
    expect(tables('["a"]\n[b\n[c.d]\n[[e]]').map((t) => t.block)).toEqual(["a", "c", "e"]);
  });
  it("marks what changed", () => {
    expect(changedLines("a\nb\nc", "a\nx\ny\nc")).toEqual({ from: 2, to: 3 });
    expect(changedLines("a\nb\nc", "a\nc")).toEqual({ from: 2, to: 2 });
    expect(changedLines("a", "a")).toBeNull();
  });
});

describe("buffer", () => {
  it("shows what arrives while nothing was typed", () => {
    const buffer = arrived(open("a", "1"), "b", "2");
    expect(buffer).toEqual(open("b", "2"));
  });
  it("joins changes that lie apart and keeps the own ones unsaved", () => {
    const mine = typed(open("a\nb\nc\nd", "1"), "A\nb\nc\nd");
    const after = arrived(mine, "a\nb\nc\nD", "2");
    expect(after.text).toBe("A\nb\nc\nD");
    expect(after.theirs).toBeNull();
    expect(dirty(after)).toBe(true);
  });
  it("asks where both changed the same lines", () => {
    const after = arrived(typed(open("a\nb", "1"), "mine\nb"), "theirs\nb", "2");
    expect(after.theirs?.text).toBe("theirs\nb");
    expect(after.text).toBe("mine\nb");
    expect(keepMine(after)).toMatchObject({ text: "mine\nb", revision: "2", theirs: null });
    expect(takeTheirs(after)).toEqual(open("theirs\nb", "2"));
  });
  it("one's own save coming back is no change of others", () => {
    const mine = typed(open("a", "1"), "b");
    expect(arrived(mine, "b", "2")).toEqual(open("b", "2"));
  });
  it("two lines added at one place are not put in some order", () => {
    expect(merge("a\nb", "a\nx\nb", "a\ny\nb")).toBeNull();
    expect(merge("a\nb\nc", "a\nc", "a\nb\nc\nd")).toBe("a\nc\nd");
  });
});
