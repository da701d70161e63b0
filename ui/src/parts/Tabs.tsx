// Tabs whose contents are made only while shown. Arrows, Home and End move and show at once.
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

export interface Tab {
  id: string;
  label: ReactNode;
  /** A count or mark after the label, spoken with it. */
  note?: ReactNode;
  content: ReactNode;
}
interface Props {
  label: string;
  tabs: Tab[];
  value: string;
  onChange(id: string): void;
  /** At the end of the row of tabs. */
  extra?: ReactNode;
  className?: string;
}

export function Tabs({ label, tabs, value, onChange, extra, className }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const at = tabs.findIndex((it) => it.id === value);
    const to = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    const next = to === undefined ? undefined : tabs[to];
    if (!next || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    onChange(next.id);
    list.current?.querySelectorAll<HTMLElement>('[role="tab"]')[to]?.focus();
  };
  const shown = tabs.find((it) => it.id === value);
  return (
    <div className={`tabs ${className ?? ""}`}>
      <div className="tabs-row">
        <div className="tabs-list" role="tablist" aria-label={label} ref={list} onKeyDown={onKeyDown}>
          {tabs.map((tab) => (
            <button
              key={tab.id}
              type="button"
              role="tab"
              id={`${id}-${tab.id}`}
              aria-selected={tab.id === value}
              aria-controls={tab.id === value ? `${id}-panel` : undefined}
              tabIndex={tab.id === value ? 0 : -1}
              data-state={tab.id === value ? "active" : "inactive"}
              className="tab"
              onClick={() => onChange(tab.id)}
            >
              {tab.label}
              {tab.note !== undefined && tab.note !== null && <span className="tab-note">{tab.note}</span>}
            </button>
          ))}
        </div>
        {extra}
      </div>
      {shown && (
        <div
          key={shown.id}
          className="tab-content"
          role="tabpanel"
          id={`${id}-panel`}
          aria-labelledby={`${id}-${shown.id}`}
        >
          {shown.content}
        </div>
      )}
    </div>
  );
}
