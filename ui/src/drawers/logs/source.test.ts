import { describe, expect, it } from "vitest";
import { lineLink, readLineLink } from "../state";
import { address, inOrder, Once, Splitter } from "./source";

const wish = { app: "shop", block: "web", pod: null, previous: false, tail: 200, since: null };
const line = (at: string, text: string, pod = "web-1") => ({
  at,
  text,
  pod,
  block: "web",
  container: "web",
});

describe("log source", () => {
  it("asks for the last lines first, and after a break for what is new", () => {
    expect(address(wish, null)).toBe("/v1/apps/shop/logs?block=web&follow=true&tail=200");
    const now = Date.parse("2026-01-01T00:01:00Z");
    expect(address(wish, "2026-01-01T00:00:00.5Z", now)).toBe(
      "/v1/apps/shop/logs?block=web&follow=true&since=70",
    );
    // A clock that is ahead of ours asks for the last moments, not for the future.
    expect(address(wish, "2026-01-01T01:00:00Z", now)).toContain("since=1");
    expect(address({ ...wish, previous: true }, null)).not.toContain("follow");
  });
  it("puts lines together that come in parts, and leaves out what is none", () => {
    const splitter = new Splitter();
    const text = JSON.stringify(line("1", "a\nb <b>"));
    expect(splitter.push(text.slice(0, 10))).toEqual([]);
    expect(splitter.push(`${text.slice(10)}\nnot json\n{"at":1}\n`).map((one) => one.text)).toEqual([
      "a\nb <b>",
    ]);
  });
  it("lets a line through once, per copy", () => {
    const once = new Once();
    expect(once.fresh(line("1", "a"))).toBe(true);
    expect(once.fresh(line("2", "b"))).toBe(true);
    expect(once.fresh(line("2", "c"))).toBe(true);
    expect(once.fresh(line("1", "a"))).toBe(false);
    expect(once.fresh(line("2", "b"))).toBe(false);
    expect(once.fresh(line("1", "a", "web-2"))).toBe(true);
    expect(once.newest()).toBe("2");
  });
  it("puts lines of several copies in order of time, those of one moment as they came", () => {
    const lines = [line("2", "c"), line("3", "d"), line("1", "a", "web-2"), line("2", "b", "web-2")];
    expect(inOrder(lines).map((one) => one.text)).toEqual(["a", "c", "b", "d"]);
  });
  it("a link to a line is read back, and a broken one is none", () => {
    const one = { at: "2026-01-01T00:00:00.5Z", block: "web", pod: "web-1" };
    expect(readLineLink(lineLink(one))).toEqual(one);
    expect(readLineLink("#log=web&at=never")).toBeNull();
    expect(readLineLink("#elsewhere")).toBeNull();
  });
});
