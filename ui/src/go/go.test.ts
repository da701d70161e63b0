import { describe, expect, it } from "vitest";
import { blockOf, failure, linesOf } from "./failure";
import { bar, doing, fold, NOTHING, progressOf, spoken, withBlocks } from "./progress";

const step = (index: number, cached = false) => ({
  event: "build-step",
  block: "web",
  index,
  count: 7,
  text: "RUN make",
  cached,
});

describe("progress", () => {
  it("a bar counts build steps that ended, and copies that are ready", () => {
    const building = progressOf([step(1), step(3)]).blocks[0];
    expect(building && bar(building)).toEqual({ value: 2, of: 7 });
    expect(building && doing(building)).toBe("building, step 3 of 7");
    const starting = progressOf([
      { event: "block", name: "web", state: "starting", detail: "1/2 copies", seconds: 3 },
    ]).blocks[0];
    expect(starting && bar(starting)).toEqual({ value: 1, of: 2 });
    expect(starting && doing(starting)).toBe("starting, 1 of 2 copies ready");
  });
  it("does not invent a number", () => {
    const starting = progressOf([{ event: "block", name: "db", state: "starting" }]).blocks[0];
    expect(starting && bar(starting)).toBe("unknown");
  });
  it("a wire goes from granted to probed and is one wire", () => {
    const wire = { event: "wire", consumer: "web.db", provider: "db", interface: "postgres/1" };
    const progress = progressOf([
      { ...wire, state: "granted" },
      { ...wire, state: "probed" },
    ]);
    expect(progress.wires).toEqual([
      { consumer: "web.db", provider: "db", interface: "postgres/1", state: "probed" },
    ]);
  });
  it("keeps the last lines of a build and ignores what it does not know", () => {
    const events = Array.from({ length: 100 }, (_, i) => ({
      event: "build-output",
      block: "web",
      line: `${i}`,
    }));
    const progress = progressOf([...events, { event: "of-the-future" }]);
    expect(progress.blocks[0]?.output.length).toBe(30);
    expect(progress.blocks[0]?.output.at(-1)).toBe("99");
  });
  it("blocks not spoken of yet wait", () => {
    const progress = withBlocks(progressOf([step(1)]), ["db", "web"]);
    expect(progress.blocks.map((block) => [block.name, block.state])).toEqual([
      ["web", "building"],
      ["db", "waiting"],
    ]);
  });
  it("says what is new in one sentence", () => {
    const before = withBlocks(NOTHING, ["db", "web"]);
    const after = fold(before, { event: "block", name: "db", state: "ready", seconds: 2 });
    expect(spoken(before, after)).toBe("db ready, 1 of 2 done");
    expect(spoken(after, after)).toBeNull();
    expect(spoken(NOTHING, before)).toBeNull();
  });
});

describe("failure", () => {
  const error = {
    code: "start/crash",
    message: "web stopped 3 times, exit code 1 (web-web-7f-abc)",
    hint: "look:  shelf logs web        correct it, then shelf go",
    rendered:
      "error[start/crash]: web stopped 3 times\n  last lines: Traceback\n              ValueError: no\nhelp: look",
  };
  it("finds its block as a word, not as a part of one", () => {
    expect(blockOf(error, ["we", "db", "web"])).toBe("web");
    expect(blockOf({ code: "x", message: "nothing of ours" }, ["web"])).toBeNull();
    expect(blockOf({ code: "x", message: "the step migrate of web-api failed" }, ["web", "web-api"])).toBe(
      "web-api",
    );
  });
  it("reads the last lines as they were printed", () => {
    expect(linesOf(error.rendered)).toEqual(["Traceback", "ValueError: no"]);
    expect(linesOf("")).toEqual([]);
  });
  it("has three sentences and the buttons that do the next thing", () => {
    const told = failure("go", "shop", error, ["db", "web"]);
    expect(told.tried).toBe("Tried to bring the app up as the file says (shop).");
    expect(told.why).toBe("web stopped 3 times, exit code 1 (web-web-7f-abc).");
    expect(told.next).toBe("Look: shelf logs web; correct it, then shelf go.");
    expect(told.actions.map((one) => one.do)).toEqual(["logs", "settings", "file", "retry"]);
    expect(told.actions[0]).toMatchObject({ block: "web", previous: true });
  });
  it("a wrong file has no log to look at", () => {
    const wrong = { code: "wire/type", message: "web.db cannot be tied to jobs" };
    expect(failure("go", "shop", wrong, ["web"]).actions.map((one) => one.do)).toEqual(["file", "retry"]);
  });
});
