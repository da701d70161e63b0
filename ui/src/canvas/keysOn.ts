// Listens for keys and does what the table says. Single letters act only while the canvas has the
// focus; a few keys act everywhere. Where next: keys.ts (the table).
import { useEffect } from "react";
import type { Model, Positions } from "../api/types";
import { useDrawers } from "../drawers/state";
import { isSingle, KEYS, type Key, type KeyId, keyOf } from "../keys";
import { announce } from "../parts/Live";
import { navigate, to } from "../routes";
import { useCanvas } from "../state/canvas";
import { modelOf, move, redo, undo } from "../state/edits";
import { useTheme } from "../state/theme";
import { unplaced } from "./add";
import { wireId } from "./graph";
import { placeAll } from "./place";
import { tidy } from "./tidy";
import { untie } from "./tie";
import { duplicate, removeBlocks } from "./verbs";

const REGIONS = ["header", "shelf", "canvas", "inspector", "drawer"];

/** The next region on the page, and the first thing in it that takes the focus. */
export function nextRegion(step: 1 | -1): void {
  const all = REGIONS.map((name) => document.querySelector<HTMLElement>(`[data-region="${name}"]`)).filter(
    (it) => it !== null,
  );
  const at = all.findIndex((it) => it.contains(document.activeElement));
  for (let i = 1; i <= all.length; i += 1) {
    const region = all[(at + step * i + all.length * 2) % all.length];
    const first = region?.querySelector<HTMLElement>(
      '[data-block-button][tabindex="0"], input:not(:disabled), [role="treeitem"][tabindex="0"], button:not(:disabled):not([tabindex="-1"]), a[href]',
    );
    if (first) {
      first.focus();
      return;
    }
  }
}

const WAYS: Partial<Record<KeyId, [number, number]>> = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
  walkLeft: [-1, 0],
  walkRight: [1, 0],
  walkUp: [0, -1],
  walkDown: [0, 1],
};

/** The block to walk to: tied ones in that direction first, else the nearest there. */
export function neighbour(
  model: Model,
  placed: Positions,
  from: string,
  [dx, dy]: [number, number],
): string | null {
  const here = placed[from];
  if (!here) return null;
  const tied = new Set(
    model.wires.flatMap((it) =>
      it.consumer === from ? [it.provider] : it.provider === from ? [it.consumer] : [],
    ),
  );
  let best: { name: string; cost: number } | null = null;
  for (const { name } of model.blocks) {
    const at = placed[name];
    if (!at || name === from) continue;
    const along = (at.x - here.x) * dx + (at.y - here.y) * dy;
    const aside = Math.abs((at.x - here.x) * dy) + Math.abs((at.y - here.y) * dx);
    if (along <= 8) continue;
    const cost = along + aside * 2 - (tied.has(name) ? 10_000 : 0);
    if (!best || cost < best.cost) best = { name, cost };
  }
  return best?.name ?? null;
}

export async function tidyUp(app: string): Promise<void> {
  const model = modelOf(app);
  if (!model || model.blocks.length === 0) return;
  const after = await tidy(model);
  await move(app, placeAll(model), after);
  useCanvas.getState().put({ view: "fit" });
  announce("Tidied");
}

/** What a key is meant for: the selection if the focus is in it, else the block that has the focus. */
export function aimed({ selected, focus }: { selected: string[]; focus: string | null }): string[] {
  if (focus === null || selected.includes(focus)) return selected;
  return [focus];
}

function moveBy(app: string, way: [number, number], far: boolean): void {
  const model = modelOf(app);
  const names = aimed(useCanvas.getState());
  if (!model || names.length === 0) return;
  const placed = placeAll(model);
  const step = far ? 64 : 8;
  const before: Positions = {};
  const after: Positions = {};
  for (const name of names) {
    const at = placed[name];
    if (!at) continue;
    before[name] = at;
    after[name] = { x: at.x + way[0] * step, y: at.y + way[1] * step };
  }
  void move(app, before, { ...unplaced(app), ...after });
}

/** Does one key; answers false if it means nothing here. */
function act(id: KeyId, app: string, event: KeyboardEvent): boolean {
  const canvas = useCanvas.getState();
  const model = modelOf(app);
  const block = canvas.focus ?? canvas.selected.at(-1) ?? null;
  const names = aimed(canvas);
  const way = WAYS[id];
  if (way && id.startsWith("walk")) {
    const next = model && block ? neighbour(model, placeAll(model), block, way) : null;
    if (next) canvas.put({ toFocus: next });
    return true;
  }
  if (way) {
    moveBy(app, way, event.shiftKey);
    return true;
  }
  switch (id) {
    case "palette":
      canvas.put({ palette: true });
      return true;
    case "keys":
      canvas.put({ keysSheet: true });
      return true;
    case "plan":
      navigate(to.plan(app));
      return true;
    case "region":
      nextRegion(1);
      return true;
    case "regionBack":
      nextRegion(-1);
      return true;
    case "undo":
      void undo(app);
      return true;
    case "redo":
      void redo(app);
      return true;
    case "add":
      canvas.put({ shelf: true, outline: false });
      setTimeout(() => document.querySelector<HTMLInputElement>("[data-shelf-search]")?.focus(), 0);
      return true;
    case "connect":
      if (block) canvas.put({ connecting: block });
      return true;
    case "addLeft":
    case "addRight":
      if (block) canvas.put({ addBeside: { block, side: id === "addRight" ? "need" : "offer" } });
      return true;
    case "rename":
      if (block) canvas.put({ renaming: block });
      return true;
    case "duplicate":
      void duplicate(app, names);
      return true;
    case "ghost":
      if (block) void import("./GhostHint").then((it) => it.takeFirst(app, block));
      return true;
    case "group":
      if (names.length > 0) canvas.put({ grouping: names });
      return true;
    case "remove": {
      const wire = model?.wires.find((it) => wireId(it) === canvas.wire);
      if (wire) void untie(app, wire);
      // After a click on the empty canvas nothing is chosen, though a block still has the roving focus.
      else if (canvas.selected.length > 0 || document.activeElement?.hasAttribute("data-block-button")) {
        void removeBlocks(app, names);
      }
      return true;
    }
    case "next":
    case "previous": {
      const all = model?.blocks.map((it) => it.name) ?? [];
      const at = all.indexOf(block ?? "");
      const next = all[(at + (id === "next" ? 1 : -1) + all.length) % all.length];
      if (next) canvas.put({ toFocus: next });
      return true;
    }
    case "open":
      if (!block) return false;
      canvas.select([block]);
      canvas.openInspector();
      setTimeout(
        () => document.querySelector<HTMLElement>('.inspector [role="tab"][data-state="active"]')?.focus(),
        30,
      );
      return true;
    case "back":
      if (canvas.start) canvas.begin(null);
      else if (canvas.wire || canvas.madeWire) canvas.put({ wire: null, madeWire: null });
      else if (canvas.inspector) canvas.put({ inspector: false });
      else if (canvas.selected.length > 0) canvas.select([]);
      else useDrawers.getState().close();
      return true;
    case "menu":
      document.activeElement?.dispatchEvent(
        new MouseEvent("contextmenu", { bubbles: true, cancelable: true, ...middle(document.activeElement) }),
      );
      return true;
    case "all":
      canvas.select(model?.blocks.map((it) => it.name) ?? []);
      return true;
    case "fit":
      canvas.put({ view: "fit" });
      return true;
    case "fitSelection":
      canvas.put({ view: "fit-selection" });
      return true;
    case "fullSize":
      canvas.put({ view: "full" });
      return true;
    case "zoomIn":
      canvas.put({ view: "in" });
      return true;
    case "zoomOut":
      canvas.put({ view: "out" });
      return true;
    case "hand":
      canvas.put({ hand: true });
      return true;
    case "pointer":
      canvas.put({ hand: false });
      return true;
    case "outline":
      canvas.put({ shelf: true, outline: true });
      setTimeout(() => document.querySelector<HTMLElement>('[role="treeitem"][tabindex="0"]')?.focus(), 30);
      return true;
    case "tidy":
      void tidyUp(app);
      return true;
    case "logs":
    case "terminal":
    case "metrics":
      useDrawers.getState().open(id, block ? { block } : {});
      return true;
    case "file":
      navigate(to.file(app));
      return true;
    default:
      return false;
  }
}

function middle(element: Element): { clientX: number; clientY: number } {
  const box = element.getBoundingClientRect();
  return { clientX: box.x + 24, clientY: box.y + box.height };
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Keys that work from anywhere on the page except while something is typed. */
const WIDE: ReadonlySet<KeyId> = new Set(["undo", "redo", "keys", "add", "outline", "back"] as const);

export function useKeysOn(app: string): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
      const id = keyOf(event);
      if (!id) return;
      const entry = (KEYS as readonly Key[]).find((it) => it.id === id);
      const target = event.target as HTMLElement | null;
      const onCanvas =
        target === document.body ||
        target?.id === "main" ||
        target?.closest?.('[data-region="canvas"]') !== null;
      if (!entry?.everywhere) {
        if (typing(target)) return;
        if (isSingle(event) && !useTheme.getState().letters) return;
        if (!onCanvas && !WIDE.has(id)) return;
        // Enter and Space on a button of the canvas press it; on a block's name they open the inspector.
        if (id === "open" && target?.dataset.blockButton === undefined && target !== document.body) return;
      }
      if (act(id, app, event)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [app]);
}
