// Tabs whose contents are made only while shown. Keys and roles are Radix's.
import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

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
  return (
    <Radix.Root className={`tabs ${className ?? ""}`} value={value} onValueChange={onChange}>
      <div className="tabs-row">
        <Radix.List aria-label={label} className="tabs-list" loop>
          {tabs.map((tab) => (
            <Radix.Trigger key={tab.id} value={tab.id} className="tab">
              {tab.label}
              {tab.note !== undefined && tab.note !== null && <span className="tab-note">{tab.note}</span>}
            </Radix.Trigger>
          ))}
        </Radix.List>
        {extra}
      </div>
      {tabs.map((tab) => (
        <Radix.Content key={tab.id} value={tab.id} className="tab-content">
          {tab.id === value ? tab.content : null}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
