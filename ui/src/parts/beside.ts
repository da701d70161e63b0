// Puts something that floats beside what it belongs to, inside the window. Positions are written as
// style properties, which a strict content policy allows. Where next: Menu.tsx, Panel.tsx, Tip.tsx.

export type SideOf = "top" | "bottom" | "left" | "right";
const MARGIN = 8;

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Left and top of a floating box of a size, beside an anchor, turned over where there is no room. */
export function placeBeside(
  anchor: Box,
  size: { width: number; height: number },
  view: { width: number; height: number },
  side: SideOf,
  align: "start" | "centre" | "end",
  gap: number,
): { left: number; top: number } {
  const room = {
    top: anchor.top - gap - MARGIN >= size.height,
    bottom: view.height - anchor.bottom - gap - MARGIN >= size.height,
    left: anchor.left - gap - MARGIN >= size.width,
    right: view.width - anchor.right - gap - MARGIN >= size.width,
  };
  const other: Record<SideOf, SideOf> = { top: "bottom", bottom: "top", left: "right", right: "left" };
  const at = room[side] || !room[other[side]] ? side : other[side];
  const along = (from: number, to: number, length: number) =>
    align === "start" ? from : align === "end" ? to - length : (from + to) / 2 - length / 2;
  let left = along(anchor.left, anchor.right, size.width);
  let top = along(anchor.top, anchor.bottom, size.height);
  if (at === "top") top = anchor.top - gap - size.height;
  if (at === "bottom") top = anchor.bottom + gap;
  if (at === "left") left = anchor.left - gap - size.width;
  if (at === "right") left = anchor.right + gap;
  const within = (value: number, length: number, whole: number) =>
    Math.max(MARGIN, Math.min(value, whole - length - MARGIN));
  return { left: within(left, size.width, view.width), top: within(top, size.height, view.height) };
}

export function floatBeside(
  it: HTMLElement,
  anchor: Box,
  side: SideOf,
  align: "start" | "centre" | "end",
  gap = 6,
): void {
  const { left, top } = placeBeside(
    anchor,
    { width: it.offsetWidth, height: it.offsetHeight },
    { width: window.innerWidth, height: window.innerHeight },
    side,
    align,
    gap,
  );
  it.style.left = `${Math.round(left)}px`;
  it.style.top = `${Math.round(top)}px`;
}

/** Shows an element in the browser's top layer, where the browser has one. */
export function raise(it: HTMLElement): void {
  if (typeof it.showPopover === "function" && !it.matches(":popover-open")) it.showPopover();
}

/** Where something that floats over `anchor` has to hang: inside its dialog, or it would be inert. */
export const hangIn = (anchor: Element | null): Element =>
  anchor?.closest("dialog") ?? document.querySelector("main") ?? document.body;
