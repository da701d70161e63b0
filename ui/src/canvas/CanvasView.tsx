// The canvas itself: blocks and wires on xyflow. Its own arrow keys and announcements are off: moves,
// focus and speech are ours, so that undo and keeping hang on one place. Where next: graph.ts, keysOn.ts.
import { useQuery } from "@tanstack/react-query";
import {
  applyNodeChanges,
  Background,
  BackgroundVariant,
  type Connection,
  type NodeChange,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import "./canvas.css";
import { type DragEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Refusal } from "../api/client";
import { queries } from "../api/queries";
import type { Model, Positions } from "../api/types";
import { useProgress } from "../go/operations";
import { GroupFrames } from "../groups/GroupFrames";
import { Loading, Problem } from "../parts/Empty";
import { announce } from "../parts/Live";
import { useCanvas, type WireStart } from "../state/canvas";
import { move } from "../state/edits";
import { isStale, useLive } from "../state/live";
import { age } from "../state/status";
import { useTheme } from "../state/theme";
import { isBroken } from "../state/validity";
import { addModule, setViewCentre, unplaced } from "./add";
import { BlockView } from "./BlockNode";
import { readDrop } from "./drop";
import { type BlockNode, edgesOf, type Facts, nodesOf, type WireEdge, wireId, wireStates } from "./graph";
import { placeAll } from "./place";
import { finishWire } from "./tie";
import { WireView } from "./WireEdge";

const NODE_TYPES = { block: BlockView };
const EDGE_TYPES = { wire: WireView };
export const SHELF_DRAG = "application/x-shelf-module";
/** Above so many wires only those of the selection are drawn full. */
const MANY_WIRES = 60;
const NONE: never[] = [];
const calm = () => window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
const glide = () => ({ duration: calm() ? 0 : 220 });

const portOf = (block: string | null, handle: string | null | undefined): WireStart | null => {
  const [side, port] = (handle ?? "").split(/:(.*)/s);
  return block && port && (side === "need" || side === "offer") ? { block, port, side } : null;
};

/** How near: everything, no address or badge, or only a name. */
const zoomLevel = (zoom: number) => (zoom < 0.2 ? "tiny" : zoom < 0.3 ? "far" : zoom < 0.6 ? "mid" : "near");

function useFacts(app: string, model: Model, readOnly: boolean): Facts {
  const { data: status } = useQuery(queries.status(app));
  const { data: catalogue } = useQuery(queries.catalogue());
  const me = useQuery(queries.me()).data;
  const people = useLive((it) => it.people);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const heardAt = useLive((it) => it.heardAt);
  const connected = useLive((it) => it.connected);
  const staleFor = isStale({ connected, heardAt, retryAt: null }, now) ? age(now - heardAt) : null;
  return useMemo(() => {
    const here: Record<string, string> = {};
    for (const it of people) if (it.block && it.name !== me?.person.name) here[it.block] = it.initials;
    return { model, status, catalogue, staleFor, people: here, readOnly };
  }, [model, status, catalogue, staleFor, people, readOnly, me]);
}

function Flow({ app, model, readOnly }: { app: string; model: Model; readOnly: boolean }) {
  const facts = useFacts(app, model, readOnly);
  const flow = useReactFlow<BlockNode, WireEdge>();
  const frame = useRef<HTMLElement>(null);
  const dark = useTheme((it) => it.dark);
  const selected = useCanvas((it) => it.selected);
  const wire = useCanvas((it) => it.wire);
  const hand = useCanvas((it) => it.hand);
  const starting = useCanvas((it) => it.start !== null);
  const progress = useProgress(app);
  const [nodes, setNodes] = useState<BlockNode[]>(() => nodesOf(facts, placeAll(model), []));
  const [edges, setEdges] = useState<WireEdge[]>(NONE);
  const before = useRef<Positions>({});

  useLayoutEffect(() => {
    setNodes((old) => nodesOf(facts, placeAll(facts.model), old));
  }, [facts]);
  useLayoutEffect(() => {
    setEdges((old) => edgesOf(facts, wireStates(progress), old));
  }, [facts, progress]);
  const shownNodes = useMemo(
    () =>
      nodes.map((it) =>
        Boolean(it.selected) === selected.includes(it.id) ? it : { ...it, selected: !it.selected },
      ),
    [nodes, selected],
  );
  const shownEdges = useMemo(
    () =>
      edges.map((it) => {
        const on = it.data ? wireId(it.data.wire) === wire : false;
        const near = on || selected.includes(it.source) || selected.includes(it.target);
        const className = near ? "near" : "";
        return Boolean(it.selected) === on && (it.className ?? "") === className
          ? it
          : { ...it, selected: on, className };
      }),
    [edges, wire, selected],
  );

  const onNodesChange = useCallback(
    (changes: NodeChange<BlockNode>[]) => {
      // Dragging ends as a change too; hanging on changes and not on drag events catches every way to move.
      const ended: Positions = {};
      for (const it of changes) {
        if (it.type !== "position" || !it.position) continue;
        if (it.dragging) before.current[it.id] ??= flow.getNode(it.id)?.position ?? it.position;
        else if (before.current[it.id])
          ended[it.id] = { x: Math.round(it.position.x), y: Math.round(it.position.y) };
      }
      const picks = changes.filter((it) => it.type === "select");
      if (picks.length > 0) {
        const now = new Set(useCanvas.getState().selected);
        for (const it of picks) {
          if (it.selected) now.add(it.id);
          else now.delete(it.id);
        }
        useCanvas.getState().select([...now]);
      }
      setNodes((old) =>
        applyNodeChanges(
          changes.filter((it) => it.type !== "select" && it.type !== "remove"),
          old,
        ),
      );
      if (Object.keys(ended).length > 0) {
        const from = Object.fromEntries(
          Object.keys(ended).map((name) => [name, before.current[name] ?? { x: 0, y: 0 }]),
        );
        before.current = {};
        void move(app, from, { ...unplaced(app), ...ended });
      }
    },
    [app, flow],
  );

  useEffect(() => {
    setViewCentre(() => {
      const box = frame.current?.getBoundingClientRect();
      return box ? flow.screenToFlowPosition({ x: box.x + box.width / 2, y: box.y + box.height / 2 }) : null;
    });
    return () => setViewCentre(() => null);
  }, [flow]);
  useViewWishes(app, frame);

  const setZoomLevel = useCallback((zoom: number) => {
    const level = zoomLevel(zoom);
    if (frame.current && frame.current.dataset.zoom !== level) frame.current.dataset.zoom = level;
  }, []);

  const drop = async (event: DragEvent) => {
    event.preventDefault();
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    const [name, version] = event.dataTransfer.getData(SHELF_DRAG).split("@");
    const module = facts.catalogue?.modules.find((it) => it.name === name && it.version === version);
    if (module) {
      await addModule(app, module, { at: { x: at.x - 120, y: at.y - 40 } });
      return;
    }
    useCanvas.getState().put({ dropped: await readDrop(event.dataTransfer, at) });
  };

  return (
    <section
      ref={frame}
      tabIndex={-1}
      className="canvas"
      data-zoom="near"
      data-region="canvas"
      data-starting={starting ? "" : undefined}
      data-many={model.wires.length > MANY_WIRES ? "" : undefined}
      data-hand={hand ? "" : undefined}
      data-invalid={isBroken(model) ? "" : undefined}
      aria-label="Canvas"
      onDragOver={(event) => {
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
      }}
      onDrop={(event) => void drop(event)}
    >
      <EntryButton model={model} frame={frame} />
      <ReactFlow<BlockNode, WireEdge>
        aria-label={`Canvas of ${app}. ${model.blocks.length} blocks. Press question mark for all keys.`}
        nodes={shownNodes}
        edges={shownEdges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        onNodesChange={onNodesChange}
        onNodeClick={(_, node) => {
          useCanvas.getState().setFocus(node.id);
          if (!readOnly) useCanvas.getState().put({ inspector: true });
        }}
        onEdgeClick={(_, edge) => edge.data && useCanvas.getState().selectWire(wireId(edge.data.wire))}
        onPaneClick={() => {
          useCanvas.getState().select([]);
          useCanvas.getState().put({ wire: null, madeWire: null, inspector: false, start: null });
        }}
        onConnectStart={(_, it) => useCanvas.getState().begin(portOf(it.nodeId, it.handleId))}
        onConnect={(it: Connection) => {
          const need = portOf(it.source, it.sourceHandle);
          const offer = portOf(it.target, it.targetHandle);
          if (need && offer) void finishWire(app, need, offer);
        }}
        onConnectEnd={(_, it) => {
          const from = portOf(it.fromNode?.id ?? null, it.fromHandle?.id);
          if (it.isValid) useCanvas.getState().begin(null);
          else if (
            !it.toNode &&
            from &&
            it.to &&
            it.from &&
            Math.hypot(it.to.x - it.from.x, it.to.y - it.from.y) > 24
          ) {
            useCanvas.getState().put({ start: from, shelf: true, outline: false });
            announce(`Choose from the shelf what ${from.block}.${from.port} should be tied to`);
            document.querySelector<HTMLInputElement>("[data-shelf-search]")?.focus();
          }
        }}
        isValidConnection={(it) => {
          const need = portOf(it.source, it.sourceHandle ?? null);
          const offer = portOf(it.target, it.targetHandle ?? null);
          return Boolean(need && offer && need.side === "need" && offer.side === "offer");
        }}
        connectOnClick={false}
        // Measured to the middle of a port, which is as wide as its label: the dot is up to half a block away.
        connectionRadius={130}
        nodesDraggable={!readOnly && !hand}
        nodesConnectable={!readOnly}
        nodesFocusable={false}
        edgesFocusable={false}
        disableKeyboardA11y
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={["Shift", "Meta", "Control"]}
        selectionOnDrag={!hand && !readOnly}
        panOnDrag={hand || readOnly ? true : [1, 2]}
        panActivationKeyCode="Space"
        panOnScroll
        zoomOnDoubleClick={false}
        colorMode={dark ? "dark" : "light"}
        onlyRenderVisibleElements
        minZoom={0.08}
        maxZoom={2}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.18 }}
        onInit={(it) => setZoomLevel(it.getZoom())}
        onMove={(_, view) => setZoomLevel(view.zoom)}
        proOptions={{ hideAttribution: true }}
      >
        <GroupFrames model={model} nodes={nodes} />
        <Background variant={BackgroundVariant.Dots} gap={24} size={1.4} color="var(--canvas-dot)" />
      </ReactFlow>
    </section>
  );
}

/** The tab stop while the roving block is out of sight and so not in the page: it brings it back. */
function EntryButton({ model, frame }: { model: Model; frame: React.RefObject<HTMLElement | null> }) {
  const focus = useCanvas((it) => it.focus);
  const first = model.blocks[0]?.name;
  const goal = focus && model.blocks.some((it) => it.name === focus) ? focus : first;
  useEffect(() => {
    if (goal && goal !== focus) useCanvas.getState().setFocus(goal);
  }, [goal, focus]);
  if (!goal) return null;
  return (
    <button
      type="button"
      className="spoken"
      aria-label={`Go to ${goal} on the canvas`}
      onFocus={(event) => {
        // Coming backwards out of the canvas must not fall into it again.
        if (frame.current?.contains(event.relatedTarget)) return;
        useCanvas.getState().put({ toFocus: goal });
      }}
      onClick={() => useCanvas.getState().put({ toFocus: goal })}
    >
      {goal}
    </button>
  );
}

/** Does what the state asks of the view: centre a block, focus it, fit, zoom. */
function useViewWishes(app: string, frame: React.RefObject<HTMLElement | null>): void {
  const flow = useReactFlow<BlockNode, WireEdge>();
  const { toCentre, toFocus, view } = useCanvas();
  useEffect(() => {
    if (toCentre === null) return;
    const node = flow.getNode(toCentre);
    if (node) {
      void flow.setCenter(node.position.x + 120, node.position.y + 80, {
        zoom: Math.max(flow.getZoom(), 0.8),
        ...glide(),
      });
    }
    useCanvas.getState().put({ toCentre: null });
  }, [toCentre, flow]);
  useEffect(() => {
    if (toFocus === null) return;
    let tries = 0;
    let timer = 0;
    const attempt = () => {
      const node = flow.getNode(toFocus);
      const box = frame.current?.getBoundingClientRect();
      const button = document.querySelector<HTMLElement>(
        `.canvas [data-block-button="${CSS.escape(toFocus)}"]`,
      );
      if (node && box) {
        const at = flow.flowToScreenPosition(node.position);
        const zoom = flow.getZoom();
        const right = at.x + 240 * zoom;
        const low = at.y + (node.measured?.height ?? 120) * zoom;
        if (at.x < box.x || right > box.right || at.y < box.y || low > box.bottom) {
          void flow.setCenter(node.position.x + 120, node.position.y + 80, { zoom, duration: 0 });
        }
      }
      if (button) {
        useCanvas.getState().setFocus(toFocus);
        button.focus({ preventScroll: true });
        useCanvas.getState().put({ toFocus: null });
      } else if (tries++ < 20) timer = window.setTimeout(attempt, 30);
      else useCanvas.getState().put({ toFocus: null });
    };
    attempt();
    return () => clearTimeout(timer);
  }, [toFocus, flow, frame]);
  // What opens beside the canvas must not push the block it is about out of sight.
  const inspector = useCanvas((it) => it.inspector);
  const last = useCanvas((it) => it.selected.at(-1));
  useEffect(() => {
    if (!inspector || !last) return;
    const timer = setTimeout(() => {
      const node = flow.getNode(last);
      const box = frame.current?.getBoundingClientRect();
      if (!node || !box) return;
      const at = flow.flowToScreenPosition(node.position);
      if (at.x + 240 * flow.getZoom() <= box.right && at.x >= box.x) return;
      void flow.setCenter(node.position.x + 120, node.position.y + 80, { zoom: flow.getZoom(), ...glide() });
    }, 60);
    return () => clearTimeout(timer);
  }, [inspector, last, flow, frame]);
  useEffect(() => {
    if (view === null) return;
    const { selected } = useCanvas.getState();
    if (view === "fit") void flow.fitView({ maxZoom: 1, padding: 0.18, ...glide() });
    if (view === "fit-selection")
      void flow.fitView({ nodes: selected.map((id) => ({ id })), maxZoom: 1.2, padding: 0.3, ...glide() });
    if (view === "full") void flow.zoomTo(1, glide());
    if (view === "in") void flow.zoomIn(glide());
    if (view === "out") void flow.zoomOut(glide());
    useCanvas.getState().put({ view: null });
  }, [view, flow]);
  void app;
}

export function CanvasView({ app, readOnly = false }: { app: string; readOnly?: boolean }) {
  const { data: model, error, refetch } = useQuery(queries.model(app));
  if (model) {
    return (
      <ReactFlowProvider>
        <Flow app={app} model={model} readOnly={readOnly || isBroken(model)} />
      </ReactFlowProvider>
    );
  }
  if (error)
    return (
      <Problem what={`${app} could not be opened`} error={error as Refusal} retry={() => void refetch()} />
    );
  return <Loading what="the canvas" />;
}
