// Tips on hover and on focus: one layer for the whole page reads `data-tip`, so that a tip costs its
// button nothing. Never the only place where something is said. Where next: beside.ts.
import { cloneElement, type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { floatBeside, hangIn, raise, type SideOf } from "./beside";

interface Props {
  text: string;
  side?: SideOf;
  children: ReactElement<Record<string, unknown>>;
}

export function Tip({ text, side, children }: Props) {
  return cloneElement(children, { "data-tip": text, "data-tip-side": side });
}

const DELAY_MS = 450;
/** Just after one tip was seen the next comes at once. */
const STILL_WARM_MS = 200;

function Layer() {
  const [of, setOf] = useState<HTMLElement | null>(null);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer = 0;
    let warmUntil = 0;
    const hide = () => {
      clearTimeout(timer);
      setOf((before) => {
        if (before) warmUntil = Date.now() + STILL_WARM_MS;
        return null;
      });
    };
    const later = (target: EventTarget | null, wait: number) => {
      const it = target instanceof Element ? target.closest<HTMLElement>("[data-tip]") : null;
      hide();
      if (it) timer = window.setTimeout(() => setOf(it), Date.now() < warmUntil ? 60 : wait);
    };
    // What appears under a pointer that rests since its last press is not being pointed at.
    let pressed = "";
    const at = (event: PointerEvent) => `${event.clientX} ${event.clientY}`;
    const press = (event: Event) => {
      pressed = at(event as PointerEvent);
    };
    const over = (event: PointerEvent) => {
      if (event.pointerType !== "touch" && at(event) !== pressed) later(event.target, DELAY_MS);
    };
    document.addEventListener("pointerdown", press, true);
    const focus = (event: FocusEvent) => {
      if ((event.target as HTMLElement).matches?.(":focus-visible")) later(event.target, DELAY_MS);
    };
    const key = (event: KeyboardEvent) => event.key === "Escape" && hide();
    document.addEventListener("pointerover", over);
    document.addEventListener("focusin", focus);
    for (const name of ["pointerdown", "focusout", "scroll", "wheel"])
      document.addEventListener(name, hide, true);
    document.addEventListener("keydown", key, true);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("pointerdown", press, true);
      document.removeEventListener("pointerover", over);
      document.removeEventListener("focusin", focus);
      for (const name of ["pointerdown", "focusout", "scroll", "wheel"])
        document.removeEventListener(name, hide, true);
      document.removeEventListener("keydown", key, true);
    };
  }, []);
  useEffect(() => {
    if (!of || !ref.current) return;
    raise(ref.current);
    floatBeside(
      ref.current,
      of.getBoundingClientRect(),
      (of.dataset.tipSide as SideOf) || "bottom",
      "centre",
    );
  }, [of]);
  if (!of?.isConnected || !of.dataset.tip) return null;
  return createPortal(
    <div ref={ref} className="tip" popover="manual" role="tooltip">
      {of.dataset.tip}
    </div>,
    hangIn(of),
  );
}

/** Around the whole UI, once. */
export function TipProvider({ children }: { children: ReactNode }) {
  return (
    <>
      {children}
      <Layer />
    </>
  );
}
