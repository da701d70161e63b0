import { describe, expect, it } from "vitest";
import { readEnd, readRefusal, terminalAddress } from "./connection";
import { documentWithSheets, withSheets } from "./styles";

describe("terminal", () => {
  it("knows where the shell of a block is", () => {
    const size = { rows: 24, cols: 80 };
    expect(terminalAddress("https://h:1", "my app", "web", "web-1", size)).toBe(
      "wss://h:1/v1/apps/my%20app/blocks/web/terminal?rows=24&cols=80&pod=web-1",
    );
    expect(terminalAddress("http://h", "a", "web", null, size, ["prod"])).toBe(
      "ws://h/v1/apps/a/blocks/web/terminal?rows=24&cols=80&confirm=prod",
    );
  });
  it("reads how a shell ended, and nothing else", () => {
    expect(readEnd('{"exit":{"code":3}}')).toEqual({ code: 3 });
    expect(readEnd('{"exit":{}}')).toEqual({ code: null });
    expect(readEnd('{"resize":{}}')).toBeNull();
    expect(readEnd("no")).toBeNull();
  });
  it("reads why there is no shell", () => {
    expect(readRefusal('{"refused":{"message":"no copy of web runs"}}')).toBe("no copy of web runs.");
    expect(readRefusal('{"refused":{"message":"forbidden","hint":"ask"}}')).toBe("forbidden: ask.");
    for (const other of ['{"exit":{"code":3}}', "null", "[]", "no"]) expect(readRefusal(other)).toBeNull();
  });
  it("styles become sheets, never elements with text, and go with their maker", () => {
    const before = document.adoptedStyleSheets.length;
    const one = documentWithSheets().createElement("style");
    const two = withSheets(() => document.createElement("STYLE"));
    one.textContent = "a { color: red }";
    two.textContent = "b { color: red }";
    expect([one.tagName, two.tagName]).toEqual(["SPAN", "SPAN"]);
    expect(one.childNodes.length + two.childNodes.length).toBe(0);
    expect(document.adoptedStyleSheets.length).toBe(before + 2);
    one.remove();
    two.remove();
    expect(document.adoptedStyleSheets.length).toBe(before);
    expect(document.createElement("style").tagName).toBe("STYLE");
  });
});
