// A menu of verbs, from a button or from a right click; the entries are data, so that the canvas, the
// Outline and the palette show the same ones. Arrows, letters, Home, End and Esc as menus have them.
// Where next: canvas/verbs.tsx (entries), beside.ts (where it floats).
import {
  cloneElement,
  type KeyboardEvent,
  type MouseEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { createPortal } from "react-dom";
import { floatBeside, hangIn, raise } from "./beside";

export interface Entry {
  label: string;
  icon?: ReactNode;
  shortcut?: string;
  danger?: boolean;
  /** Why it cannot be done now; the entry is shown and says so. */
  unless?: string | false | null;
  run(): void;
}
export type Entries = (Entry | "line")[];

interface At {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
interface ListProps {
  entries: Entries;
  label: string;
  at: At;
  align: "start" | "end";
  hang: Element;
  /** `back`: the focus returns to where the menu was opened. */
  onClose(back: boolean): void;
}

function MenuList({ entries, label, at, align, hang, onClose }: ListProps) {
  const ref = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: "", at: 0 });
  const items = () => [...(ref.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
  useLayoutEffect(() => {
    if (!ref.current) return;
    raise(ref.current);
    floatBeside(ref.current, at, "bottom", align, 4);
    ref.current.querySelector<HTMLElement>('[role="menuitem"]')?.focus({ preventScroll: true });
  }, [at, align]);
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!ref.current?.contains(event.target as Node)) onClose(false);
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, [onClose]);
  const onKeyDown = (event: KeyboardEvent) => {
    const all = items();
    const now = all.indexOf(document.activeElement as HTMLElement);
    const { key } = event;
    event.stopPropagation();
    if (key === "ArrowDown") all[(now + 1) % all.length]?.focus();
    else if (key === "ArrowUp") all[(now - 1 + all.length) % all.length]?.focus();
    else if (key === "Home") all[0]?.focus();
    else if (key === "End") all.at(-1)?.focus();
    else if (key === "Escape") onClose(true);
    else if (key === "Tab") onClose(true);
    else if (key === "Enter" || key === " ") (document.activeElement as HTMLElement | null)?.click();
    else if (key.length === 1) {
      const time = Date.now();
      typed.current = {
        text: (time - typed.current.at < 700 ? typed.current.text : "") + key.toLowerCase(),
        at: time,
      };
      all.find((it) => it.textContent?.trim().toLowerCase().startsWith(typed.current.text))?.focus();
    } else return;
    event.preventDefault();
  };
  return createPortal(
    <div
      ref={ref}
      className="menu"
      role="menu"
      aria-label={label}
      popover="manual"
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      {entries.map((entry, index) =>
        entry === "line" ? (
          <hr key={`line-${index}`} className="menu-line" />
        ) : (
          // biome-ignore lint/a11y/useKeyWithClickEvents: Enter and Space are the menu's keys, above.
          <div
            key={entry.label}
            role="menuitem"
            tabIndex={-1}
            className={`menu-item ${entry.danger ? "danger" : ""}`}
            aria-disabled={entry.unless ? true : undefined}
            onPointerMove={(event) => event.currentTarget.focus({ preventScroll: true })}
            onClick={(event) => {
              event.stopPropagation();
              if (entry.unless) return;
              onClose(true);
              entry.run();
            }}
          >
            <span className="menu-icon" aria-hidden="true">
              {entry.icon}
            </span>
            <span className="menu-label">
              {entry.label}
              {entry.unless && <small>{entry.unless}</small>}
            </span>
            {entry.shortcut && <kbd aria-hidden="true">{entry.shortcut}</kbd>}
          </div>
        ),
      )}
    </div>,
    hang,
  );
}

interface Props {
  entries: Entries;
  label: string;
  /** One button. */
  children: ReactElement<Record<string, unknown>>;
  align?: "start" | "end";
  onOpenChange?(open: boolean): void;
}

export function Menu({ entries, label, children, align = "end", onOpenChange }: Props) {
  const [from, setFrom] = useState<HTMLElement | null>(null);
  const close = (back: boolean) => {
    if (back) from?.focus({ preventScroll: true });
    setFrom(null);
    onOpenChange?.(false);
  };
  return (
    <>
      {cloneElement(children, {
        "aria-haspopup": "menu",
        "aria-expanded": from !== null,
        "data-state": from ? "open" : undefined,
        onClick: (event: MouseEvent<HTMLElement>) => {
          event.stopPropagation();
          if (from) return close(true);
          setFrom(event.currentTarget);
          onOpenChange?.(true);
        },
        // The press that opens must not count as one outside while it is open.
        onPointerDown: (event: MouseEvent) => from && event.stopPropagation(),
      })}
      {from && (
        <MenuList
          entries={entries}
          label={label}
          at={from.getBoundingClientRect()}
          align={align}
          hang={hangIn(from)}
          onClose={close}
        />
      )}
    </>
  );
}

interface RightClickProps extends Omit<Props, "entries" | "onOpenChange" | "align"> {
  /** Asked for when the menu opens, not on every drawing. */
  entries(): Entries;
}

export function RightClickMenu({ entries, label, children }: RightClickProps) {
  const [open, setOpen] = useState<{ entries: Entries; at: At; back: Element | null } | null>(null);
  return (
    <>
      {cloneElement(children, {
        onContextMenu: (event: MouseEvent) => {
          event.preventDefault();
          const { clientX: x, clientY: y } = event;
          setOpen({
            entries: entries(),
            at: { left: x, right: x, top: y, bottom: y },
            back: document.activeElement,
          });
        },
      })}
      {open && (
        <MenuList
          entries={open.entries}
          label={label}
          at={open.at}
          align="start"
          hang={hangIn(null)}
          onClose={(back) => {
            if (back && open.back instanceof HTMLElement) open.back.focus({ preventScroll: true });
            setOpen(null);
          }}
        />
      )}
    </>
  );
}
