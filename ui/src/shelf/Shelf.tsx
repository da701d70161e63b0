// The shelf beside the canvas: search by name, alias or interface, add by Enter or by drag. While a
// socket is chosen, what fits comes first and the rest says why not. Where next: canvas/add.ts.
import { useQuery } from "@tanstack/react-query";
import { Container, FolderPlus, Search, X } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import type { Refusal } from "../api/client";
import { queries } from "../api/queries";
import type { Catalogue, Model, Module } from "../api/types";
import { addModule } from "../canvas/add";
import { SHELF_DRAG } from "../canvas/CanvasView";
import { ModuleIcon } from "../canvas/icons";
import { IconButton } from "../parts/Button";
import { Loading, Problem } from "../parts/Empty";
import { InterfaceChip } from "../parts/Interface";
import { useCanvas, type WireStart } from "../state/canvas";
import { compareVersions, type Fit, moduleFits } from "../state/fit";
import { filterBy } from "../state/fuzzy";

export const GROUPS = ["data", "messaging", "storage", "web", "observability", "external"] as const;

/** One entry per name, the newest version; older ones are chosen in the inspector. */
export function newest(modules: Module[]): Module[] {
  const best = new Map<string, Module>();
  for (const it of modules) {
    const known = best.get(it.name);
    if (!known || compareVersions(it.version, known.version) > 0) best.set(it.name, it);
  }
  return [...best.values()];
}

interface Shown {
  module: Module;
  fit: Fit | null;
}

/** What the list shows for a search and a chosen socket, in order. */
export function listed(
  catalogue: Catalogue,
  query: string,
  model?: Model,
  start?: WireStart | null,
): Shown[] {
  const all = newest(catalogue.modules);
  const found = filterBy(query, all, (it) => [
    it.name,
    ...it.aliases,
    it.group,
    ...it.offers.map((o) => o.interface),
    it.summary,
  ]);
  if (!start || !model) {
    const order = (it: Module) => {
      const at = GROUPS.indexOf(it.group as (typeof GROUPS)[number]);
      return at < 0 ? GROUPS.length : at;
    };
    return (query.trim() === "" ? [...found].sort((a, b) => order(a) - order(b)) : found).map((module) => ({
      module,
      fit: null,
    }));
  }
  return found
    .map((module) => ({ module, fit: moduleFits(model, start, module).fit }))
    .sort((a, b) => Number(b.fit.fits) - Number(a.fit.fits));
}

function Card({
  shown,
  active,
  id,
  onAdd,
  onActive,
}: {
  shown: Shown;
  active: boolean;
  id: string;
  onAdd(): void;
  onActive(): void;
}) {
  const { module, fit } = shown;
  const why = fit && !fit.fits ? fit.why : null;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: keys are handled by the search field, which owns the list.
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={active}
      className="shelf-card"
      data-fit={fit ? (fit.fits ? "fits" : "not") : undefined}
      draggable
      onDragStart={(event) => {
        event.dataTransfer.setData(SHELF_DRAG, `${module.name}@${module.version}`);
        event.dataTransfer.effectAllowed = "copy";
      }}
      onMouseEnter={onActive}
      onClick={onAdd}
    >
      <ModuleIcon icon={module.icon} group={module.group} />
      <div className="shelf-text">
        <p className="shelf-name">
          <b>{module.name}</b> <span className="muted">{module.version}</span>
        </p>
        <p className="shelf-summary">
          {fit && <span className="spoken">{why ? "Does not fit: " : "Fits. "}</span>}
          {why ?? module.summary}
        </p>
        <p className="shelf-chips">
          {module.offers.map((it) => (
            <InterfaceChip key={it.name} name={it.interface} />
          ))}
          {module.needs.map((it) => (
            <InterfaceChip key={it.socket} name={it.interface} label={`needs ${it.interface}`} />
          ))}
          {module.memory && <span className="muted memory">{module.memory}</span>}
        </p>
        {active && module.assumes.length > 0 && (
          <ul className="shelf-assumes">
            {module.assumes.map((it) => (
              <li key={it.name}>{it.says}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

/** What is no module: blocks of one's own. */
const OWN = [
  { kind: "source", icon: FolderPlus, name: "Your source", says: "A folder with a Dockerfile" },
  { kind: "image", icon: Container, name: "An image", says: "Built elsewhere, from a registry" },
] as const;

export function Shelf({ app }: { app: string }) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const [typing, setTyping] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const start = useCanvas((it) => it.start);
  const { data: catalogue, error, refetch } = useQuery(queries.catalogue());
  const { data: model } = useQuery(queries.model(app));
  const shown = useMemo(
    () => (catalogue ? listed(catalogue, query, model, start) : []),
    [catalogue, query, model, start],
  );
  const current = Math.min(at, shown.length - 1);
  const add = async (it: Shown | undefined) => {
    if (!it) return;
    const { selected } = useCanvas.getState();
    const beside = start ?? openSocketOf(model, selected[0], it.module);
    const name = await addModule(app, it.module, { start: beside });
    if (name) setQuery("");
  };
  const grouped = !start && query.trim() === "";
  return (
    <div className="shelf">
      <div className="shelf-search">
        <Search size={15} aria-hidden="true" />
        <input
          data-shelf-search=""
          role="combobox"
          aria-label="Search the shelf"
          aria-expanded="true"
          aria-controls="shelf-list"
          aria-autocomplete="list"
          aria-activedescendant={typing && shown[current] ? `shelf-${current}` : undefined}
          placeholder="Search the shelf"
          value={query}
          spellCheck={false}
          onFocus={() => setTyping(true)}
          onBlur={() => setTyping(false)}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
            if (step !== undefined && shown.length > 0) {
              event.preventDefault();
              setAt((current + step + shown.length) % shown.length);
              requestAnimationFrame(() =>
                list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" }),
              );
            } else if (event.key === "Enter") {
              event.preventDefault();
              void add(shown[current]);
            } else if (event.key === "Escape") {
              event.stopPropagation();
              if (query !== "") setQuery("");
              else {
                useCanvas.getState().begin(null);
                useCanvas.getState().put({ toFocus: useCanvas.getState().focus });
              }
            }
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      {start && (
        <div className="shelf-start" role="status">
          <span>
            What fits <b>{`${start.block}.${start.port}`}</b>
          </span>
          <IconButton label="Show the whole shelf" onClick={() => useCanvas.getState().begin(null)}>
            <X size={14} aria-hidden="true" />
          </IconButton>
        </div>
      )}
      {error && !catalogue && (
        <Problem what="The shelf could not be read" error={error as Refusal} retry={() => void refetch()} />
      )}
      {!catalogue && !error && <Loading what="the shelf" lines={6} />}
      <div
        className="shelf-list"
        id="shelf-list"
        role="listbox"
        aria-label="Modules"
        ref={list}
        tabIndex={-1}
      >
        {shown.map((it, index) => (
          <div key={it.module.name} role="presentation">
            {grouped && it.module.group !== shown[index - 1]?.module.group && (
              <p className="shelf-group" role="presentation">
                {it.module.group || "other"}
              </p>
            )}
            <Card
              shown={it}
              id={`shelf-${index}`}
              active={typing && index === current}
              onActive={() => setAt(index)}
              onAdd={() => void add(it)}
            />
          </div>
        ))}
      </div>
      {catalogue && shown.length === 0 && (
        <p className="shelf-none">
          Nothing on the shelf is called “{query}”. A folder with a Dockerfile can be a block too.
        </p>
      )}
      {OWN.map(({ kind, icon: Icon, name, says }) => (
        <button
          key={kind}
          type="button"
          className="shelf-source"
          draggable
          onDragStart={(event) => event.dataTransfer.setData(`application/x-shelf-${kind}`, "1")}
          onClick={() => useCanvas.getState().put({ dropped: { name: "", kind } })}
        >
          <Icon size={16} aria-hidden="true" />
          <span>
            <b>{name}</b>
            <small>{says}</small>
          </span>
        </button>
      ))}
    </div>
  );
}

/** The socket of the selected block that is still open and that a module would fill. */
function openSocketOf(
  model: Model | undefined,
  selected: string | undefined,
  module: Module,
): WireStart | null {
  const block = model?.blocks.find((it) => it.name === selected);
  if (!model || !block) return null;
  for (const it of block.sockets.filter((socket) => socket.providers.length === 0)) {
    const start: WireStart = { block: block.name, port: it.name, side: "need" };
    if (moduleFits(model, start, module).fit.fits) return start;
  }
  return null;
}
