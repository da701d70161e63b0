// Which lines of a log are in sight. Without wrapping every line is as high as the next, and it is plain
// arithmetic, also for 50,000 lines that all move up ten times a second; with wrapping heights are
// measured. Where next: Lines.tsx.
import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { LogRing } from "./ring";

/** The height of a line that is not wrapped, in pixels; drawers.css says the same. */
export const ROW = 20;
/** So many lines more are drawn above and below. */
const MARGIN = 12;

export interface Window {
  /** Of the lines to draw, among those that match. */
  indexes: number[];
  /** Where the first of them stands, in pixels. */
  offset: number;
  /** Of all lines, in pixels. */
  height: number;
  measure: ((element: HTMLElement | null) => void) | undefined;
  show(index: number, how: "center" | "near"): void;
}

/** The lines in sight of a box at `top` that is `high`, if all are of one height. */
export function inSight(top: number, high: number, length: number): [first: number, last: number] {
  const first = Math.max(0, Math.floor(top / ROW) - MARGIN);
  return [Math.min(first, length), Math.min(length, Math.ceil((top + high) / ROW) + MARGIN)];
}

export function useWindow(
  scroller: RefObject<HTMLDivElement | null>,
  ring: LogRing,
  follow: boolean,
  wrap: boolean,
  version: number,
): Window {
  const length = ring.length;
  const [box, setBox] = useState({ top: 0, high: 600 });
  const measured = useVirtualizer({
    count: wrap ? length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: MARGIN,
    getItemKey: (index) => ring.at(index)?.number ?? index,
  });

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    let frame = 0;
    const read = () => {
      frame = 0;
      const next = { top: element.scrollTop, high: element.clientHeight };
      setBox((was) => (was.top === next.top && was.high === next.high ? was : next));
    };
    const later = () => {
      frame ||= requestAnimationFrame(read);
    };
    read();
    element.addEventListener("scroll", later, { passive: true });
    const watch = new ResizeObserver(later);
    watch.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", later);
      watch.disconnect();
    };
  }, [scroller]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each new version is drawn at its end
  useLayoutEffect(() => {
    const element = scroller.current;
    if (follow && element !== null) element.scrollTop = element.scrollHeight;
  }, [follow, version, length, wrap, box.high]);

  // While the person looks back, lines that are dropped at the top must not move those in sight.
  const anchor = useRef<{ number: number; rest: number } | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new version may have dropped lines
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || follow || wrap) {
      anchor.current = null;
      return;
    }
    const kept = anchor.current;
    if (kept !== null) {
      const top = ring.indexOf(kept.number) * ROW + kept.rest;
      if (Math.abs(top - element.scrollTop) >= 1) element.scrollTop = top;
    }
  }, [version, follow, wrap]);
  useEffect(() => {
    if (follow || wrap) return;
    const first = Math.floor(box.top / ROW);
    const line = ring.at(first);
    anchor.current = line === undefined ? null : { number: line.number, rest: box.top - first * ROW };
  }, [box.top, follow, wrap, ring]);

  const show = useCallback(
    (index: number, how: "center" | "near") => {
      const element = scroller.current;
      if (element === null) return;
      if (wrap) {
        measured.scrollToIndex(index, { align: how === "center" ? "center" : "auto" });
        return;
      }
      const [top, high] = [index * ROW, element.clientHeight];
      if (how === "center") element.scrollTop = top - high / 2 + ROW / 2;
      else if (top < element.scrollTop) element.scrollTop = top;
      else if (top + ROW > element.scrollTop + high) element.scrollTop = top + ROW - high;
    },
    [scroller, wrap, measured],
  );

  if (wrap) {
    const items = measured.getVirtualItems();
    return {
      indexes: items.map((item) => item.index),
      offset: items[0]?.start ?? 0,
      height: measured.getTotalSize(),
      measure: measured.measureElement,
      show,
    };
  }
  const top = follow ? Math.max(0, length * ROW - box.high) : Math.min(box.top, length * ROW);
  const [first, last] = inSight(top, box.high, length);
  const indexes = Array.from({ length: last - first }, (_, at) => first + at);
  return { indexes, offset: first * ROW, height: length * ROW, measure: undefined, show };
}
