import { describe, expect, it } from "vitest";
import { diff } from "./diff";

const show = (before: string, after: string, around?: number) =>
  diff(before, after, around).map(
    (line) => `${{ same: " ", added: "+", removed: "-", gap: "…" }[line.kind]}${line.text}`,
  );

describe("diff", () => {
  it("shows what went and what came, in place", () => {
    expect(show("a\nb\nc", "a\nx\nc")).toEqual([" a", "-b", "+x", " c"]);
    expect(show("a\nb\nc\nd", "b\nc\nd\ne")).toEqual(["-a", " b", " c", " d", "+e"]);
  });
  it("numbers lines on both sides", () => {
    const lines = diff("a\nb", "a\nx\nb");
    expect(lines.map((line) => [line.before, line.after])).toEqual([
      [1, 1],
      [null, 2],
      [2, 3],
    ]);
  });
  it("folds what is the same", () => {
    const long = Array.from({ length: 20 }, (_, i) => `${i}`).join("\n");
    expect(show(long, `${long}\nend`, 1)).toEqual(["…19 lines are the same", " 19", "+end"]);
    expect(show(long, long)).toEqual(["…20 lines are the same"]);
  });
  it("each side can be read back from it", () => {
    const [a, b] = ["x\ny\nz\ny\nq", "y\nz\nz\nq\nx"];
    const lines = diff(a, b, 99);
    const side = (not: string) =>
      lines
        .filter((line) => line.kind !== not)
        .map((line) => line.text)
        .join("\n");
    expect(side("added")).toBe(a);
    expect(side("removed")).toBe(b);
  });
  it("two long and strange files do not stop the page", () => {
    const text = (seed: number) => Array.from({ length: 5_000 }, (_, i) => `${(i * seed) % 9973}`).join("\n");
    const began = performance.now();
    expect(diff(text(7), text(11)).length).toBeGreaterThan(5_000);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
