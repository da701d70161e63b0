// From the model to what the canvas draws: nodes and edges, kept as the same objects while nothing of
// them changed, so that only what changed is drawn again. Where next: CanvasView.tsx.
import { type Edge, MarkerType, type Node } from "@xyflow/react";
import type { Block, BlockStatus, Catalogue, Model, Positions, StatusReport, Wire } from "../api/types";
import type { Progress } from "../go/progress";
import { hueOf } from "../state/interfaces";
import { type Shown, shownOf } from "../state/status";
import { groupOf } from "./icons";

export interface BlockData extends Record<string, unknown> {
  app: string;
  block: Block;
  shown: Shown;
  status?: BlockStatus;
  group: string;
  url: string | null;
  readOnly: boolean;
  people: string;
  /** How many wires each offer has. */
  uses: Record<string, number>;
}
export type BlockNode = Node<BlockData, "block">;

/** How far a wire is: drawn dashed until its probe passed. */
export type WireState = "planned" | "granting" | "live" | "refused";
export interface WireData extends Record<string, unknown> {
  wire: Wire;
  state: WireState;
  hue: string;
}
export type WireEdge = Edge<WireData, "wire">;

export const wireId = (wire: Pick<Wire, "consumer" | "socket" | "provider">): string =>
  `${wire.consumer}.${wire.socket}>${wire.provider}`;

const same = (a: BlockData, b: BlockData): boolean =>
  a.block === b.block &&
  a.status === b.status &&
  a.shown.word === b.shown.word &&
  a.shown.detail === b.shown.detail &&
  a.group === b.group &&
  a.url === b.url &&
  a.people === b.people &&
  JSON.stringify(a.uses) === JSON.stringify(b.uses) &&
  a.readOnly === b.readOnly;

export interface Facts {
  model: Model;
  status?: StatusReport;
  catalogue?: Catalogue;
  staleFor: string | null;
  people: Record<string, string>;
  readOnly: boolean;
}

export function nodesOf(facts: Facts, placed: Positions, before: BlockNode[]): BlockNode[] {
  const old = new Map(before.map((it) => [it.id, it]));
  const uses = new Map<string, Record<string, number>>();
  for (const { provider, offer } of facts.model.wires) {
    const it = uses.get(provider) ?? {};
    it[offer] = (it[offer] ?? 0) + 1;
    uses.set(provider, it);
  }
  return facts.model.blocks.map((block) => {
    const data: BlockData = {
      app: facts.model.app,
      block,
      shown: shownOf(block, facts.status, facts.staleFor),
      status: facts.status?.blocks.find((it) => it.name === block.name),
      group: groupOf(block, facts.catalogue),
      url: block.public
        ? typeof block.public === "string"
          ? block.public
          : (facts.model.url ?? null)
        : null,
      readOnly: facts.readOnly,
      people: facts.people[block.name] ?? "",
      uses: uses.get(block.name) ?? {},
    };
    const known = old.get(block.name);
    const position = placed[block.name] ?? { x: 0, y: 0 };
    if (!known) return { id: block.name, type: "block", position, data };
    const still = known.dragging || (known.position.x === position.x && known.position.y === position.y);
    if (still && same(known.data, data)) return known;
    return {
      ...known,
      position: still ? known.position : position,
      data: same(known.data, data) ? known.data : data,
    };
  });
}

/** What a running operation says about each wire. */
export function wireStates(progress: Progress | null): Map<string, WireState> {
  const words = { planned: "planned", granted: "granting", probed: "live", refused: "refused" } as const;
  return new Map((progress?.wires ?? []).map((it) => [`${it.consumer}>${it.provider}`, words[it.state]]));
}

export function edgesOf(facts: Facts, states: Map<string, WireState>, before: WireEdge[]): WireEdge[] {
  const old = new Map(before.map((it) => [it.id, it]));
  const live = new Set(facts.status?.blocks.filter((it) => it.ready > 0).map((it) => it.name));
  const changing = new Set(facts.model.blocks.filter((it) => it.staged).map((it) => it.name));
  const counts = new Map<string, number>();
  return facts.model.wires.map((wire) => {
    const plain = wireId(wire);
    const nth = counts.get(plain) ?? 0;
    counts.set(plain, nth + 1);
    const id = nth === 0 ? plain : `${plain}#${nth}`;
    const running = live.has(wire.consumer) && live.has(wire.provider) && !changing.has(wire.consumer);
    const state =
      states.get(`${wire.consumer}.${wire.socket}>${wire.provider}`) ?? (running ? "live" : "planned");
    const known = old.get(id);
    if (known && known.data?.wire === wire && known.data.state === state) return known;
    const hue = hueOf(wire.interface);
    return {
      ...known,
      id,
      type: "wire",
      source: wire.consumer,
      sourceHandle: `need:${wire.socket}`,
      target: wire.provider,
      targetHandle: `offer:${wire.offer}`,
      data: { wire, state, hue },
      markerEnd: { type: MarkerType.ArrowClosed, color: `var(--i-${hue})`, width: 16, height: 16 },
      focusable: false,
    };
  });
}
