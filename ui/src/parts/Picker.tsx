// A search field with a list below it: arrows choose, Enter picks, letters filter. The palette, the
// connect list and "add beside" are this with different entries.
import { Search } from "lucide-react";
import { type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";
import "./picker.css";
import { filterBy } from "../state/fuzzy";
import { Dialog } from "./Dialog";

export interface Choice {
  id: string;
  label: string;
  /** Searched too, shown small. */
  detail?: string;
  group?: string;
  icon?: ReactNode;
  shortcut?: string;
  /** Searched, not shown. */
  words?: string[];
  /** Why it cannot be picked; it is listed and says so. */
  unless?: string;
  pick(): void;
}
interface Props {
  open: boolean;
  onClose(): void;
  title: string;
  placeholder: string;
  choices: Choice[];
  /** What is said when nothing is found. */
  none: ReactNode;
}
const MOST_SHOWN = 80;

function List({ choices, placeholder, none, onClose, title }: Omit<Props, "open">) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(
    () =>
      filterBy(query, choices, (it) => [
        it.label,
        it.detail ?? "",
        ...(it.words ?? []),
        it.group ?? "",
      ]).slice(0, MOST_SHOWN),
    [query, choices],
  );
  const current = Math.min(at, found.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  });
  const pick = (choice: Choice | undefined) => {
    if (!choice || choice.unless) return;
    onClose();
    // After the dialog gave the focus back, so that what is picked may take it.
    setTimeout(choice.pick, 0);
  };
  return (
    <div className="picker">
      <div className="picker-search">
        <Search size={17} aria-hidden="true" />
        <input
          // biome-ignore lint/a11y/noAutofocus: the dialog was opened to type here.
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-label={title}
          aria-controls={`${id}-list`}
          aria-activedescendant={found[current] ? `${id}-${current}` : undefined}
          aria-autocomplete="list"
          placeholder={placeholder}
          value={query}
          spellCheck={false}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
            if (step !== undefined && found.length > 0) {
              event.preventDefault();
              setAt((current + step + found.length) % found.length);
            } else if (event.key === "Enter") {
              event.preventDefault();
              pick(found[current]);
            }
          }}
        />
      </div>
      <div
        className="picker-list"
        role="listbox"
        id={`${id}-list`}
        aria-label={title}
        ref={list}
        tabIndex={-1}
      >
        {found.map((choice, index) => (
          <div key={choice.id} role="presentation">
            {choice.group && choice.group !== found[index - 1]?.group && (
              <div className="picker-group" role="presentation">
                {choice.group}
              </div>
            )}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: keys are handled by the combobox above. */}
            <div
              role="option"
              id={`${id}-${index}`}
              tabIndex={-1}
              aria-selected={index === current}
              aria-disabled={choice.unless ? true : undefined}
              className="picker-item"
              onMouseMove={() => index !== current && setAt(index)}
              onClick={() => pick(choice)}
            >
              <span className="menu-icon" aria-hidden="true">
                {choice.icon}
              </span>
              <span className="picker-label">
                {choice.label}
                {(choice.unless ?? choice.detail) && <small>{choice.unless ?? choice.detail}</small>}
              </span>
              {choice.shortcut && <kbd aria-hidden="true">{choice.shortcut}</kbd>}
            </div>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="picker-none">{none}</p>}
      <p className="spoken" role="status">{`${found.length} found`}</p>
    </div>
  );
}

export function Picker(props: Props) {
  return (
    <Dialog open={props.open} onClose={props.onClose} title={props.title} className="picker-dialog">
      <List {...props} />
    </Dialog>
  );
}
