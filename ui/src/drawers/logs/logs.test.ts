import { describe, expect, it } from "vitest";
import { LINE_SHOWN, pieces, plain } from "./bytes";
import { active, make, matches } from "./filter";
import { firstError, LEVELS, level } from "./level";
import { type LogLine, LogRing } from "./ring";
import { inSight } from "./useWindow";

const shown = (line: string, raw = false) =>
  pieces(line, raw)
    .map((piece) => piece.text)
    .join("");

const line = (text: string, block = "web"): LogLine => ({
  at: "2026-01-01T00:00:00Z",
  block,
  pod: `${block}-1`,
  container: block,
  text,
});

describe("hostile bytes", () => {
  it("takes colour, cursor and title codes out", () => {
    expect(shown("\u001b[31mred\u001b[0m \u001b[2J\u001b[1;1Hx")).toBe("red x");
    expect(shown("a\u001b]0;owned\u0007b\u001b]8;;http://evil\u001b\\c")).toBe("abc");
  });
  it("shows them as signs when asked", () => {
    expect(shown("\u001b[31mred", true)).toBe("^[[31mred");
  });
  it("leaves nothing that a terminal or browser would act on", () => {
    const bytes = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join("");
    for (const text of [bytes, `${bytes}\u202e\u2066\u200b\ufeff`, "\u001b", "\u001b[", "\u001b]x"]) {
      for (const raw of [true, false]) {
        const control = [...shown(text, raw)].filter((c) => {
          const code = c.codePointAt(0) ?? 0;
          const hidden = (code >= 0x200e && code <= 0x200f) || (code >= 0x202a && code <= 0x202e);
          return (code < 0x20 && c !== "\t") || (code >= 0x7f && code < 0xa0) || hidden;
        });
        expect(control).toEqual([]);
      }
    }
  });
  it("names signs that turn the direction of text around", () => {
    expect(pieces("safe\u202egnp.exe")[1]).toEqual({ text: "‹U+202E›", sign: true });
  });
  it("leaves HTML, letters of all scripts and joined emoji as they are", () => {
    const text = "<img src=x onerror=alert(1)> żółć 日本 👩‍💻";
    expect(pieces(text)).toEqual([{ text, sign: false }]);
  });
  it("cuts a line of a megabyte on screen, and says so", () => {
    const long = pieces("x".repeat(1_000_000));
    expect(long[0]?.text.length).toBe(LINE_SHOWN);
    expect(long.at(-1)?.text).toContain("996000 characters more");
  });
  it("does not take time on unfinished codes", () => {
    const began = performance.now();
    plain("\u001b]".repeat(2_000));
    shown("\u001b[".repeat(50_000));
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("levels", () => {
  it.each([
    ['2026-01-01 10:00:00.000 UTC [33] ERROR:  relation "x" does not exist', "error"],
    ["2026-01-01 10:00:00.000 UTC [33] FATAL:  password authentication failed", "error"],
    ["2026-01-01 10:00:00.000 UTC [1] LOG:  database system is ready", "info"],
    ["Traceback (most recent call last):", "error"],
    ["ValueError: no such order", "error"],
    ["psycopg.OperationalError: connection failed", "error"],
    ['{"level":"warn","msg":"an error once"}', "warn"],
    ['time=x level=info msg="error rate 0"', "info"],
    ["\u001b[31mERROR\u001b[0m boom", "error"],
    ["2026-01-01 [warning] <0.1.0> queue is long", "warn"],
    ["DEBUG sql: select 1", "debug"],
    ["GET /errors 200", "other"],
    ["terrorist film, 3 stars", "other"],
  ])("%s", (text, wanted) => {
    expect(level(text)).toBe(wanted);
  });
  it("finds the first line that looks like the cause", () => {
    expect(firstError(["starting", "WARN slow", "ERROR: no", "ERROR: later"])).toBe(2);
    expect(firstError(["a", "b"])).toBe(1);
    expect(firstError([])).toBe(-1);
  });
});

describe("filter", () => {
  const one = { block: "web", level: "info" as const, text: "GET /Orders 200" };
  it("matches text without regard to case, and expressions when asked", () => {
    expect(matches(make({ text: "orders" }), one)).toBe(true);
    expect(matches(make({ text: "ord.rs" }), one)).toBe(false);
    expect(matches(make({ text: "ord.rs \\d+", regex: true }), one)).toBe(true);
    expect(matches(make({ blocks: ["db"] }), one)).toBe(false);
    expect(matches(make({ levels: ["error"] }), one)).toBe(false);
  });
  it("an expression that is not valid hides nothing and says why", () => {
    const broken = make({ text: "(", regex: true });
    expect(broken.error).toMatch(/./);
    expect(matches(broken, one)).toBe(true);
  });
  it("knows whether anything is hidden", () => {
    expect(active(make({}))).toBe(false);
    expect(active(make({ levels: LEVELS.slice(1) }))).toBe(true);
  });
});

describe("ring", () => {
  it("keeps the newest lines and never reuses a number", () => {
    const ring = new LogRing(make({}), 100);
    for (let batch = 0; batch < 30; batch += 1) {
      ring.add(Array.from({ length: 25 }, (_, i) => line(`${batch * 25 + i}`)));
    }
    expect(ring.size).toBe(100);
    expect(ring.total).toBe(750);
    expect(ring.dropped).toBe(650);
    expect(ring.at(0)?.text).toBe("650");
    expect(ring.at(ring.length - 1)?.text).toBe("749");
    expect(ring.indexOf(700)).toBe(50);
    expect(ring.indexOf(3)).toBe(0);
  });
  it("keeps within its space even if lines are huge", () => {
    const ring = new LogRing(make({}), 1_000, 10_000);
    ring.add(Array.from({ length: 50 }, () => line("x".repeat(1_000))));
    expect(ring.size).toBe(10);
    ring.add([line("y".repeat(50_000))]);
    expect(ring.size).toBe(1);
  });
  it("a filter picks from all that is kept, and from what comes", () => {
    const ring = new LogRing(make({}), 1_000);
    ring.add([line("a"), line("ERROR b"), line("c", "db")]);
    ring.setFilter(make({ levels: ["error"] }));
    expect(ring.lines().map((one) => one.text)).toEqual(["ERROR b"]);
    ring.add([line("ERROR d"), line("e")]);
    expect(ring.lines().map((one) => one.text)).toEqual(["ERROR b", "ERROR d"]);
    ring.setFilter(make({}));
    expect(ring.length).toBe(5);
  });
  it("takes 10,000 lines a second without breaking into a sweat", () => {
    const ring = new LogRing(make({ text: "7", regex: true }));
    const lines = Array.from({ length: 10_000 }, (_, i) => line(`INFO request ${i} took 12 ms`));
    const began = performance.now();
    for (let second = 0; second < 10; second += 1) ring.add(lines);
    // Ten seconds' worth; a tenth of the time would already be well.
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(ring.size).toBe(50_000);
  });
});

describe("lines in sight", () => {
  it("are those of the box and a few around, never more than there are", () => {
    expect(inSight(0, 100, 1_000)).toEqual([0, 17]);
    expect(inSight(10_000, 100, 1_000)).toEqual([488, 517]);
    expect(inSight(10_000, 100, 3)).toEqual([3, 3]);
    expect(inSight(0, 100, 0)).toEqual([0, 0]);
  });
});
