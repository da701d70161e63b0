import { describe, expect, it } from "vitest";
import type { ImportRow } from "../api/types";
import { blocksIn, joined, sorted } from "./take";

const OTHER =
  '# from compose.yaml\napp = "mine"\nurl = "x"\n\n[db]\nuse = "postgres@15"\n\n[web.run]\nweb = { port = 80 }\n';

describe("an imported file", () => {
  it("is added below what is there, without its own name", () => {
    const own = 'app = "shop"   # ours\n[cache]\nuse = "redis@7"';
    const text = joined(own, OTHER);
    expect(text.startsWith('app = "shop"   # ours\n[cache]\n')).toBe(true);
    expect(text).not.toContain("mine");
    expect(blocksIn(text)).toEqual(["cache", "db", "web"]);
    expect(joined(own, 'app = "x"\n')).toBe(`${own}\n\n\n`);
  });
  it("shows first what is lost, then what was guessed, by line", () => {
    const row = (line: number, state: ImportRow["state"]): ImportRow => ({
      file: "c",
      line,
      path: "",
      state,
      why: "",
    });
    const rows = [row(1, "mapped"), row(9, "guessed"), row(4, "not-mapped"), row(3, "guessed")];
    expect(sorted(rows).map((it) => it.line)).toEqual([4, 3, 9, 1]);
  });
});
