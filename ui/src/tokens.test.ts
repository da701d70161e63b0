// Contrast of every pair of colours that is used together, in each theme: 4.5 for text, 3 for shapes
// and outlines. axe cannot judge it on the canvas, under transforms. Where next: tokens.css.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync("src/tokens.css", "utf8");

function block(selector: string): Record<string, string> {
  const at = css.indexOf(`${selector} {`);
  if (at < 0) throw new Error(`tokens.css has no ${selector}`);
  const body = css.slice(at, css.indexOf("\n}", at));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map((it) => [it[1], it[2]]));
}
const light = block(":root");
const dark = { ...light, ...block(':root[data-theme="dark"]') };
const themes: Record<string, Record<string, string>> = {
  light,
  dark,
  "light, more contrast": { ...light, ...block(':root[data-contrast="more"]') },
  "dark, more contrast": { ...dark, ...block(':root[data-theme="dark"][data-contrast="more"]') },
};

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const value = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ["bg", "canvas", "panel", "raised", "sunken", "hover"];
const TEXT: [string, string[]][] = [
  ["text", [...GROUNDS, "accent-soft", "warn-soft", "bad-soft", "good-soft"]],
  ["muted", [...GROUNDS, "accent-soft", "warn-soft", "bad-soft", "idle-soft"]],
  ["faint", ["bg", "panel", "raised", "sunken"]],
  ["accent-text", ["bg", "canvas", "panel", "raised", "accent-soft", "hover"]],
  ["on-accent", ["accent", "accent-hover"]],
  ["good", ["panel", "raised", "good-soft", "canvas"]],
  ["busy", ["panel", "raised", "busy-soft", "canvas"]],
  ["warn", ["panel", "raised", "warn-soft", "canvas"]],
  ["bad", ["panel", "raised", "bad-soft", "canvas"]],
  ["idle", ["panel", "raised", "idle-soft", "canvas"]],
];
const HUES = Object.keys(light).filter((it) => it.startsWith("i-"));
const SHAPES: [string, string[]][] = [
  ["border-strong", ["panel", "canvas", "bg", "raised"]],
  ["focus", ["panel", "canvas", "bg", "raised", "accent-soft"]],
  ["accent", ["panel", "canvas"]],
  ...HUES.map((it): [string, string[]] => [it, ["canvas", "panel"]]),
];

describe.each(Object.keys(themes))("%s", (name) => {
  const theme = themes[name] ?? {};
  const ratio = (a: string, b: string) => contrast(theme[a] ?? "", theme[b] ?? "");
  it.each(TEXT.flatMap(([ink, grounds]) => grounds.map((ground) => [ink, ground])))(
    "%s is readable on %s",
    (ink, ground) => {
      expect(ratio(ink as string, ground as string)).toBeGreaterThanOrEqual(4.5);
    },
  );
  it.each(HUES)("letters in %s are readable on a panel", (hue) => {
    expect(ratio(hue, "panel")).toBeGreaterThanOrEqual(4.5);
  });
  it.each(SHAPES.flatMap(([shape, grounds]) => grounds.map((ground) => [shape, ground])))(
    "%s is seen on %s",
    (shape, ground) => {
      expect(ratio(shape as string, ground as string)).toBeGreaterThanOrEqual(3);
    },
  );
});
