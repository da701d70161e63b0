// The app as a tree: blocks, their wires, sockets and address. The equal of the canvas: same verbs,
// same keys, always complete. Arrows walk and open; letters find. Where next: canvas/verbs.tsx.
import { useQuery } from "@tanstack/react-query";
import { ChevronRight, Ellipsis } from "lucide-react";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { queries } from "../api/queries";
import "./outline.css";
import type { Block, Metrics, Model, StatusReport } from "../api/types";
import { blockEntries, removeBlocks, wireEntries } from "../canvas/verbs";
import { inGroups } from "../groups/groups";
import { IconButton } from "../parts/Button";
import { InterfaceMark } from "../parts/Interface";
import { type Entries, Menu } from "../parts/Menu";
import { Status } from "../parts/Status";
import { useCanvas } from "../state/canvas";
import { fromText, spokenOf } from "../state/spoken";
import { shownOf } from "../state/status";
import { trafficOf, trafficWords } from "../state/traffic";

export interface Leaf {
  id: string;
  level: number;
  parent: string | null;
  /** Place among its siblings, from 1, and how many they are. */
  pos: number;
  size: number;
  spoken: string;
  kind: "app" | "group" | "block" | "socket" | "offer" | "address";
  block?: string;
  port?: string;
  interface?: string;
  text: string;
  note?: string;
  arrow?: "→" | "←";
  bad?: boolean;
  branch: boolean;
}

function partsOf(
  model: Model,
  block: Block,
  rate: string | null,
): Omit<Leaf, "pos" | "size" | "level" | "parent" | "branch">[] {
  const out: Omit<Leaf, "pos" | "size" | "level" | "parent" | "branch">[] = [];
  for (const it of block.sockets) {
    const note = it.providers.length > 0 ? it.providers.join(", ") : it.missing ? "not wired" : "optional";
    out.push({
      id: `${block.name}/need/${it.name}`,
      kind: "socket",
      block: block.name,
      port: it.name,
      interface: it.interface,
      text: it.name,
      note,
      arrow: it.providers.length > 0 ? "→" : undefined,
      bad: it.missing,
      spoken: `${it.name} ${note}: needs ${it.interface}${it.providers.length > 0 ? ", wired" : ""}`,
    });
  }
  for (const it of block.offers) {
    const users = model.wires
      .filter((wire) => wire.provider === block.name && wire.offer === it.name)
      .map((wire) => wire.consumer);
    out.push({
      id: `${block.name}/offer/${it.name}`,
      kind: "offer",
      block: block.name,
      port: it.name,
      interface: it.interface,
      text: it.name,
      note: users.length > 0 ? users.join(", ") : "free",
      arrow: users.length > 0 ? "←" : undefined,
      spoken: `${it.name} ${users.length > 0 ? users.join(", ") : "free"}: offers ${it.interface}${users.length > 0 ? ", used by these" : ""}`,
    });
  }
  if (block.public) {
    out.push({
      id: `${block.name}/address`,
      kind: "address",
      block: block.name,
      text: model.url ?? "public after Go",
      note: rate ?? undefined,
      spoken: `${[model.url ?? "public after Go", rate].filter(Boolean).join(" ")}, address`,
    });
  }
  return out;
}

/** Every line of the tree that is not inside something closed, in order. */
export function leavesOf(
  model: Model,
  closed: ReadonlySet<string>,
  status?: StatusReport,
  metrics?: Metrics,
): Leaf[] {
  const out: Leaf[] = [];
  const tops = inGroups(model.blocks);
  const add = (block: Block, level: number, parent: string | null, pos: number, size: number) => {
    const traffic = trafficOf(metrics, block.name);
    const parts = partsOf(model, block, traffic ? trafficWords(traffic) : null);
    const it = status?.blocks.find((s) => s.name === block.name);
    const shown = shownOf(block, status, null);
    // What is seen comes first in what is said, so that both can be asked for by the same words.
    const seen = [block.name, fromText(block), shown.word, shown.detail].filter(Boolean).join(" ");
    const rest = spokenOf(block, shown, it).split(", ").slice(2).join(", ");
    out.push({
      id: block.name,
      level,
      parent,
      pos,
      size,
      kind: "block",
      block: block.name,
      text: block.name,
      note: fromText(block),
      spoken: `${seen}, ${rest}`,
      branch: parts.length > 0,
    });
    if (closed.has(block.name)) return;
    parts.forEach((part, at) => {
      out.push({
        ...part,
        level: level + 1,
        parent: block.name,
        pos: at + 1,
        size: parts.length,
        branch: false,
      });
    });
  };
  tops.forEach(({ group, blocks }, index) => {
    const [first] = blocks;
    if (group === null) {
      if (first) add(first, 1, null, index + 1, tops.length);
      return;
    }
    const id = `group/${group}`;
    const many = blocks.length === 1 ? "1 block" : `${blocks.length} blocks`;
    out.push({
      id,
      level: 1,
      parent: null,
      pos: index + 1,
      size: tops.length,
      kind: "group",
      text: group,
      note: many,
      spoken: `${group} ${many}, group`,
      branch: true,
    });
    if (closed.has(id)) return;
    blocks.forEach((block, at) => {
      add(block, 2, id, at + 1, blocks.length);
    });
  });
  return out;
}

const membersOf = (model: Model, leaf: Leaf): string[] =>
  model.blocks.filter((it) => `group/${it.group}` === leaf.id).map((it) => it.name);

function entriesOf(app: string, model: Model, leaf: Leaf, status?: StatusReport): Entries {
  if (leaf.kind === "group") {
    const members = membersOf(model, leaf);
    return [
      { label: "Change the group…", run: () => useCanvas.getState().put({ grouping: members }) },
      { label: "Select its blocks", run: () => useCanvas.getState().select(members) },
    ];
  }
  const block = model.blocks.find((it) => it.name === leaf.block);
  if (!block) return [];
  if (leaf.kind === "socket") {
    const wires = model.wires.filter((it) => it.consumer === block.name && it.socket === leaf.port);
    return [
      { label: "Connect…", run: () => useCanvas.getState().put({ connecting: block.name }) },
      ...wires.flatMap((wire) => wireEntries(app, wire)),
    ];
  }
  return blockEntries(
    app,
    block,
    status?.blocks.find((it) => it.name === block.name),
  );
}

export function Outline({ app, readOnly = false }: { app: string; readOnly?: boolean }) {
  const { data: model } = useQuery(queries.model(app));
  const { data: status } = useQuery(queries.status(app));
  const selected = useCanvas((it) => it.selected);
  const focusBlock = useCanvas((it) => it.focus);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState<string | null>(null);
  const tree = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: "", at: 0 });
  const { data: metrics } = useQuery({ ...queries.metrics(app), retry: false });
  const leaves = useMemo(
    () => (model ? leavesOf(model, closed, status, metrics) : []),
    [model, closed, status, metrics],
  );
  if (!model) return null;
  const current = leaves.find((it) => it.id === at) ?? leaves.find((it) => it.id === focusBlock) ?? leaves[0];

  const go = (leaf: Leaf | undefined) => {
    if (!leaf) return;
    setAt(leaf.id);
    requestAnimationFrame(() =>
      tree.current?.querySelector<HTMLElement>(`[data-leaf="${CSS.escape(leaf.id)}"]`)?.focus(),
    );
  };
  const toggle = (id: string, open: boolean) =>
    setClosed((before) => {
      const next = new Set(before);
      if (open) next.delete(id);
      else next.add(id);
      return next;
    });
  const choose = (leaf: Leaf) => {
    if (!leaf.block) return;
    useCanvas.getState().select([leaf.block]);
    useCanvas.getState().centre(leaf.block);
  };
  const onKeyDown = (event: KeyboardEvent, leaf: Leaf) => {
    const index = leaves.findIndex((it) => it.id === leaf.id);
    const { key } = event;
    if (event.ctrlKey && key === "g" && !readOnly) {
      const { selected: chosen } = useCanvas.getState();
      const names = leaf.kind === "group" ? membersOf(model, leaf) : leaf.block ? [leaf.block] : [];
      event.preventDefault();
      event.stopPropagation();
      useCanvas.getState().put({ grouping: leaf.block && chosen.includes(leaf.block) ? chosen : names });
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "ArrowDown") go(leaves[index + 1]);
    else if (key === "ArrowUp") go(leaves[index - 1]);
    else if (key === "Home") go(leaves[0]);
    else if (key === "End") go(leaves.at(-1));
    else if (key === "ArrowRight") {
      if (leaf.branch && closed.has(leaf.id)) toggle(leaf.id, true);
      else if (leaf.branch) go(leaves[index + 1]);
    } else if (key === "ArrowLeft") {
      if (leaf.branch && !closed.has(leaf.id)) toggle(leaf.id, false);
      else go(leaves.find((it) => it.id === leaf.parent));
    } else if ((key === "Enter" || key === " ") && leaf.kind === "group")
      toggle(leaf.id, closed.has(leaf.id));
    else if (key === "Enter" || key === " ") {
      choose(leaf);
      if (!readOnly)
        useCanvas
          .getState()
          .openInspector(leaf.kind === "block" ? undefined : leaf.kind === "address" ? "access" : "wires");
    } else if (key === "Delete" && !readOnly && leaf.block && leaf.kind === "block")
      void removeBlocks(app, [leaf.block]);
    else if (!readOnly && leaf.block && (key === "c" || key === "C"))
      useCanvas.getState().put({ connecting: leaf.block });
    else if (key === "F10" && event.shiftKey)
      tree.current?.querySelector<HTMLElement>(`[data-leaf="${CSS.escape(leaf.id)}"] .leaf-more`)?.click();
    else if (key.length === 1 && /[a-z0-9]/i.test(key)) {
      const now = Date.now();
      typed.current = { text: now - typed.current.at < 700 ? typed.current.text + key : key, at: now };
      const { text } = typed.current;
      go(
        [...leaves.slice(index + (text.length > 1 ? 0 : 1)), ...leaves].find((it) =>
          it.text.toLowerCase().startsWith(text.toLowerCase()),
        ),
      );
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  if (leaves.length === 0) {
    return <p className="outline-empty">{app} has no blocks yet. Add one from the shelf.</p>;
  }
  return (
    <div
      className="outline"
      role="tree"
      aria-label={`Outline of ${app}`}
      aria-multiselectable="true"
      ref={tree}
    >
      {leaves.map((leaf) => {
        const block = leaf.kind === "block" ? model.blocks.find((it) => it.name === leaf.block) : undefined;
        const shown = block ? shownOf(block, status, null) : null;
        return (
          <div
            key={leaf.id}
            role="treeitem"
            data-leaf={leaf.id}
            aria-level={leaf.level}
            aria-setsize={leaf.size}
            aria-posinset={leaf.pos}
            aria-expanded={leaf.branch ? !closed.has(leaf.id) : undefined}
            aria-selected={leaf.kind === "block" && selected.includes(leaf.id)}
            aria-label={leaf.spoken}
            tabIndex={leaf.id === current?.id ? 0 : -1}
            data-kind={leaf.kind}
            className={`leaf level-${leaf.level} ${leaf.bad ? "bad" : ""}`}
            onKeyDown={(event) => {
              if (event.target === event.currentTarget) onKeyDown(event, leaf);
            }}
            onFocus={() => setAt(leaf.id)}
            onClick={(event) => {
              if ((event.target as HTMLElement).closest(".leaf-more, .leaf-turn")) return;
              choose(leaf);
              if (!readOnly) useCanvas.getState().put({ inspector: true });
            }}
          >
            {leaf.branch ? (
              <span
                className="leaf-turn"
                data-open={closed.has(leaf.id) ? undefined : ""}
                aria-hidden="true"
                onClick={() => toggle(leaf.id, closed.has(leaf.id))}
              >
                <ChevronRight size={14} />
              </span>
            ) : (
              <span className="leaf-turn" aria-hidden="true" />
            )}
            {leaf.interface && <InterfaceMark name={leaf.interface} />}
            <span className="leaf-text">{leaf.text}</span>{" "}
            <span className="leaf-note" data-arrow={leaf.arrow}>
              {leaf.note}
            </span>{" "}
            {shown && <Status word={shown.word} detail={shown.detail} />}
            {!readOnly && (
              <Menu entries={entriesOf(app, model, leaf, status)} label={`Verbs of ${leaf.text}`}>
                <IconButton label={`Verbs of ${leaf.text}`} className="leaf-more" tabIndex={-1}>
                  <Ellipsis size={14} aria-hidden="true" />
                </IconButton>
              </Menu>
            )}
          </div>
        );
      })}
    </div>
  );
}
