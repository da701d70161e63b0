// The drawer below the canvas: log, terminal, metrics, events of the app or of one block. It can be
// made higher by drag or by keys, and keeps its height. Where next: state.ts, logs/LogPane.tsx.
import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type KeyboardEvent, type PointerEvent, Suspense, useEffect, useRef } from "react";
import { queries } from "../api/queries";
import type { BlockStatus, PodStatus } from "../api/types";
import { IconButton } from "../parts/Button";
import { lazily } from "../parts/lazily";
import { Tabs } from "../parts/Tabs";
import "./drawers.css";
import { EventsPane } from "./EventsPane";
import { MetricsPane } from "./metrics/MetricsPane";
import { LEAST, readLineLink, type Tab, useDrawers } from "./state";

const LogPane = lazily(() => import("./logs/LogPane"));
const TerminalPane = lazily(() => import("./terminal/TerminalPane"));

/** At least so much of the page above the drawer stays in sight. */
const ABOVE = 180;

export interface DrawersProps {
  app: string;
  /** As the whole of a page or sheet: no handle, no height of its own. */
  filling?: boolean;
}

export function Drawers({ app, filling = false }: DrawersProps) {
  const { shown, height, resize, close, open } = useDrawers();
  const box = useRef<HTMLElement>(null);

  // A link to a line opens the log there.
  useEffect(() => {
    const read = () => {
      const aim = readLineLink(location.hash);
      if (aim !== null) open("logs", aim);
    };
    read();
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, [open]);

  if (!shown) return null;
  if (filling) {
    return (
      <section className="drawers filling" aria-label="Drawer">
        <Panes app={app} />
      </section>
    );
  }
  const most = Math.max(LEAST, window.innerHeight - ABOVE);
  return (
    <section
      ref={box}
      className="drawers"
      aria-label="Drawer"
      style={{ height: Math.min(height, most) }}
      onKeyDown={(event) => {
        // In a terminal, Esc belongs to the program.
        if (event.key !== "Escape" || (event.target as HTMLElement).closest(".terminal-host")) return;
        event.stopPropagation();
        close();
      }}
    >
      <Handle height={Math.min(height, most)} most={most} onHeight={resize} />
      <Panes app={app} />
    </section>
  );
}

function Handle(props: { height: number; most: number; onHeight(height: number): void }) {
  const drag = useRef<{ y: number; height: number } | null>(null);
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    drag.current = { y: event.clientY, height: props.height };
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (drag.current === null) return;
    props.onHeight(Math.min(props.most, drag.current.height + drag.current.y - event.clientY));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowUp: props.height + 24,
      ArrowDown: props.height - 24,
      PageUp: props.height + 120,
      PageDown: props.height - 120,
      Home: LEAST,
      End: props.most,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    props.onHeight(Math.min(props.most, to));
  };
  return (
    <div
      className="drawers-handle"
      role="separator"
      aria-orientation="horizontal"
      aria-label="Height of the drawer"
      aria-valuenow={Math.round(props.height)}
      aria-valuemin={LEAST}
      aria-valuemax={Math.round(props.most)}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={() => {
        drag.current = null;
      }}
      onDoubleClick={() => props.onHeight(props.height > props.most - 40 ? 300 : props.most)}
      onKeyDown={onKeyDown}
    />
  );
}

function podsOf(status: BlockStatus | undefined): PodStatus[] {
  return (status?.pods ?? []).map((pod) =>
    typeof pod === "string" ? { name: pod, ready: true, restarts: 0, state: "" } : pod,
  );
}

function Panes({ app }: { app: string }) {
  const drawers = useDrawers();
  const model = useQuery(queries.model(app));
  const status = useQuery(queries.status(app));
  const { block, pod, tab } = drawers;
  const names = model.data?.blocks.map((one) => one.name) ?? status.data?.blocks.map((one) => one.name) ?? [];
  const statusOf = (name: string | null) => status.data?.blocks.find((one) => one.name === name);
  const since = podsOf(statusOf(block))
    .map((one) => one.since)
    .filter((one): one is string => one !== undefined && one !== null)
    .sort()
    .at(-1);
  const chooser = (all: boolean) => (
    <label className="drawers-block">
      <span className="spoken">Block</span>
      <select value={block ?? ""} onChange={(event) => drawers.aim(event.target.value || null)}>
        {all && <option value="">All blocks</option>}
        {!all && block === null && <option value="">Choose a block</option>}
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
  const waiting = <p className="drawer-empty">Opening …</p>;
  return (
    <Tabs
      label="Drawer"
      className="drawers-tabs"
      value={tab}
      onChange={(id) => drawers.select(id as Tab)}
      extra={
        <div className="drawers-extra">
          {tab !== "logs" && chooser(tab !== "terminal")}
          {tab === "terminal" && block !== null && (
            <Copies app={app} pods={podsOf(statusOf(block))} pod={pod} block={block} />
          )}
          <IconButton label="Close the drawer" shortcut="Esc" side="top" onClick={drawers.close}>
            <X size={16} aria-hidden="true" />
          </IconButton>
        </div>
      }
      tabs={[
        {
          id: "logs",
          label: "Logs",
          content: (
            <Suspense fallback={waiting}>
              <LogPane
                key={`${app} ${drawers.wish}`}
                app={app}
                block={block}
                pod={pod}
                previous={drawers.previous}
                tail={drawers.tail}
                at={drawers.at}
                blocks={names}
                since={since ?? null}
                onBlock={drawers.aim}
              />
            </Suspense>
          ),
        },
        {
          id: "terminal",
          label: "Terminal",
          content:
            block === null ? (
              <p className="drawer-empty">A shell is opened in one block. Choose which at the right.</p>
            ) : podsOf(statusOf(block)).length === 0 && status.data !== undefined ? (
              <p className="drawer-empty">
                {block} has no running copy to open a shell in. Press Go, or Start if it is stopped.
              </p>
            ) : (
              <Suspense fallback={waiting}>
                <TerminalPane key={`${app} ${drawers.wish}`} app={app} block={block} pod={pod} />
              </Suspense>
            ),
        },
        { id: "metrics", label: "Metrics", content: <MetricsPane app={app} block={block} /> },
        { id: "events", label: "Events", content: <EventsPane app={app} block={block} /> },
      ]}
    />
  );
}

function Copies(props: { app: string; block: string; pods: readonly PodStatus[]; pod: string | null }) {
  const open = useDrawers((state) => state.open);
  if (props.pods.length < 2) return null;
  return (
    <label className="drawers-block">
      <span className="spoken">Copy</span>
      <select
        value={props.pod ?? ""}
        onChange={(event) => open("terminal", { block: props.block, pod: event.target.value || null })}
      >
        <option value="">a ready copy</option>
        {props.pods.map((pod) => (
          <option key={pod.name} value={pod.name}>
            {pod.name}
          </option>
        ))}
      </select>
    </label>
  );
}
