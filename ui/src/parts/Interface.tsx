// An interface as a chip: its letter, its colour, its name. Same hue and letter everywhere.
import { hueOf, letterOf } from "../state/interfaces";

export function InterfaceMark({ name }: { name: string }) {
  return <span className="i-mark" data-hue={hueOf(name)} data-letter={letterOf(name)} aria-hidden="true" />;
}

export function InterfaceChip({ name, label, missing }: { name: string; label?: string; missing?: boolean }) {
  return (
    <span className={`i-chip ${missing ? "missing" : ""}`}>
      <InterfaceMark name={name} />
      <span>{label ?? name}</span>
    </span>
  );
}
