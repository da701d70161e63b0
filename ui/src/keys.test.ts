import { describe, expect, it } from "vitest";
import { isSingle, KEYS, keyOf, nameOf, shortcutOf } from "./keys";

const press = (key: string, more: Partial<KeyboardEvent> = {}) => ({
  key,
  code: "",
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...more,
});

describe("keys", () => {
  it("are in the table once each", () => {
    const all = KEYS.flatMap((it) => it.keys as readonly string[]);
    expect(new Set(all).size).toBe(all.length);
  });
  it("know Command as Ctrl", () => {
    expect(keyOf(press("k", { metaKey: true }))).toBe("palette");
    expect(keyOf(press("z", { ctrlKey: true }))).toBe("undo");
    expect(keyOf(press("Z", { ctrlKey: true, shiftKey: true }))).toBe("redo");
  });
  it("take the digit under Shift on any layout", () => {
    expect(keyOf(press("!", { code: "Digit1", shiftKey: true }))).toBe("fit");
    expect(keyOf(press("0", { code: "Digit0" }))).toBe("fullSize");
  });
  it("take signs as they are typed", () => {
    expect(keyOf(press("?", { shiftKey: true }))).toBe("keys");
    expect(keyOf(press("/"))).toBe("add");
    expect(keyOf(press("+", { shiftKey: true }))).toBe("zoomIn");
  });
  it("tell moves from walks", () => {
    expect(keyOf(press("ArrowLeft"))).toBe("left");
    expect(keyOf(press("ArrowLeft", { shiftKey: true }))).toBe("left");
    expect(keyOf(press("ArrowLeft", { altKey: true }))).toBe("walkLeft");
    expect(keyOf(press("ArrowLeft", { ctrlKey: true }))).toBe("addLeft");
  });
  it("are single only without Ctrl and Alt", () => {
    expect(isSingle(press("l"))).toBe(true);
    expect(isSingle(press("l", { ctrlKey: true }))).toBe(false);
    expect(isSingle(press("Enter"))).toBe(false);
  });
  it("are nothing when they are not in the table", () => {
    expect(keyOf(press("q"))).toBeNull();
    expect(nameOf(press("q", { altKey: true }))).toBe("Alt+Q");
    expect(shortcutOf("remove")).toBe("Del");
  });
});
