// A small panel beside a button (not modal): what a badge means, what a wire creates.
import {
  cloneElement,
  type MouseEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { createPortal } from "react-dom";
import { floatBeside, hangIn, raise, type SideOf } from "./beside";

interface Props {
  label: string;
  trigger: ReactElement<Record<string, unknown>>;
  children: ReactNode;
  side?: SideOf;
}

export function Panel({ label, trigger, children, side = "bottom" }: Props) {
  const [from, setFrom] = useState<HTMLElement | null>(null);
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!from || !ref.current) return;
    raise(ref.current);
    floatBeside(ref.current, from.getBoundingClientRect(), side, "centre");
    ref.current.focus({ preventScroll: true });
  }, [from, side]);
  useEffect(() => {
    if (!from) return;
    const outside = (event: PointerEvent) => {
      if (!ref.current?.contains(event.target as Node) && !from.contains(event.target as Node)) setFrom(null);
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, [from]);
  return (
    <>
      {cloneElement(trigger, {
        "aria-haspopup": "dialog",
        "aria-expanded": from !== null,
        onClick: (event: MouseEvent<HTMLElement>) => {
          event.stopPropagation();
          setFrom(from ? null : event.currentTarget);
        },
      })}
      {from &&
        createPortal(
          <div
            ref={ref}
            className="panel-pop"
            role="dialog"
            aria-label={label}
            popover="manual"
            tabIndex={-1}
            onClick={(event) => event.stopPropagation()}
            onKeyDown={(event) => {
              event.stopPropagation();
              if (event.key !== "Escape") return;
              from.focus({ preventScroll: true });
              setFrom(null);
            }}
          >
            {children}
          </div>,
          hangIn(from),
        )}
    </>
  );
}
