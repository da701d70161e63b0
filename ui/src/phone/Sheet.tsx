// A sheet from below: over the page, which is inert meanwhile; Esc, the veil, or a pull down closes it.
// Not a <dialog>: menus and tips inside it are drawn beside it and must lie above.
import { type PointerEvent, type ReactNode, useEffect, useRef } from "react";

/** Pulled down so far, it closes. */
const FAR = 80;

export function Sheet(props: { label: string; children: ReactNode; onClose(): void }) {
  const box = useRef<HTMLDivElement>(null);
  const from = useRef<number | null>(null);
  const { onClose } = props;
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) close.current();
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
      // The page is inert until after this, so the focus goes back a moment later.
      setTimeout(() => {
        if (before instanceof HTMLElement && before.isConnected) before.focus();
      }, 0);
    };
  }, []);
  const move = (event: PointerEvent) => {
    if (from.current === null || box.current === null) return;
    box.current.style.translate = `0 ${Math.max(0, event.clientY - from.current)}px`;
  };
  const end = (event: PointerEvent) => {
    if (from.current === null || box.current === null) return;
    const far = event.clientY - from.current > FAR;
    from.current = null;
    box.current.style.translate = "";
    if (far) onClose();
  };
  return (
    <div className="sheet-veil">
      <button type="button" className="sheet-out" aria-label="Close" tabIndex={-1} onClick={onClose} />
      <div ref={box} className="sheet" role="dialog" aria-modal="true" aria-label={props.label} tabIndex={-1}>
        <button
          type="button"
          className="sheet-grip"
          aria-label="Close the sheet"
          onClick={onClose}
          onPointerDown={(event) => {
            from.current = event.clientY;
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={move}
          onPointerUp={end}
          onPointerCancel={end}
        >
          <span aria-hidden="true" />
        </button>
        <div className="sheet-body">{props.children}</div>
      </div>
    </div>
  );
}
