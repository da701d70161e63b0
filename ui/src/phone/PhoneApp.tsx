// An app on a phone, or at 400 %: the Outline first, the canvas as a map to look at, logs and metrics as
// whole pages, everything about a block in a sheet from below. Wiring is done from lists.
// Where next: ../outline/Outline.tsx, ../inspector/Inspector.tsx, ../drawers/Drawers.tsx.
import { useQuery } from "@tanstack/react-query";
import {
  Check,
  Copy,
  Ellipsis,
  ExternalLink,
  LineChart,
  ListTree,
  Map as MapIcon,
  Plus,
  ScrollText,
} from "lucide-react";
import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { CanvasView } from "../canvas/CanvasView";
import { CanvasDialogs } from "../canvas/Dialogs";
import { useDrawers } from "../drawers/state";
import { GoPanel } from "../go/GoPanel";
import { startVerb } from "../go/operations";
import { Inspector } from "../inspector/Inspector";
import { Outline } from "../outline/Outline";
import { IconButton } from "../parts/Button";
import { announce, toast } from "../parts/Live";
import { lazily } from "../parts/lazily";
import { type Entries, Menu } from "../parts/Menu";
import { Status } from "../parts/Status";
import { navigate, to } from "../routes";
import { Shelf } from "../shelf/Shelf";
import { useCanvas } from "../state/canvas";
import { wordOf } from "../state/status";
import { Sheet } from "./Sheet";
import "./phone.css";

const Clashes = lazily(() => import("../clash/Clashes").then((it) => ({ default: it.Clashes })));
const Drawers = lazily(() => import("../drawers/Drawers").then((it) => ({ default: it.Drawers })));

type View = "outline" | "map" | "logs" | "metrics";

export function PhoneApp({ app }: { app: string }) {
  const { data: model } = useQuery(queries.model(app));
  const [place, setPlace] = useState<"outline" | "map">("outline");
  const [shelf, setShelf] = useState(false);
  const drawers = useDrawers();
  const inspector = useCanvas((state) => state.inspector);
  const selected = useCanvas((state) => state.selected.at(-1) ?? null);
  const view: View = !drawers.shown ? place : drawers.tab === "metrics" ? "metrics" : "logs";
  // The drawer remembers across pages; here the Outline comes first.
  useEffect(() => useDrawers.getState().close, []);
  const block = model?.blocks.find((one) => one.name === selected) ?? null;
  const sheet = inspector && block !== null;
  if (model === undefined) return null;
  const show = (next: View) => {
    if (next === "logs" || next === "metrics") drawers.open(next, { block: null });
    else {
      drawers.close();
      setPlace(next);
    }
  };
  return (
    <div className="phone">
      <div className="phone-page" inert={sheet || shelf}>
        <Facts app={app} model={model} onAdd={() => setShelf(true)} />
        <Suspense fallback={null}>
          <Clashes app={app} model={model} />
        </Suspense>
        <GoPanel app={app} place="page" />
        <div className="phone-view">
          {drawers.shown ? (
            <Suspense fallback={null}>
              <Drawers app={app} filling />
            </Suspense>
          ) : place === "map" ? (
            <div className="phone-map">
              <CanvasView app={app} readOnly />
            </div>
          ) : (
            <div className="phone-outline">
              <Outline app={app} />
            </div>
          )}
        </div>
        <nav className="phone-nav" aria-label="Views">
          <NavButton now={view} view="outline" label="Outline" icon={<ListTree size={20} />} onShow={show} />
          <NavButton now={view} view="map" label="Map" icon={<MapIcon size={20} />} onShow={show} />
          <NavButton now={view} view="logs" label="Logs" icon={<ScrollText size={20} />} onShow={show} />
          <NavButton now={view} view="metrics" label="Metrics" icon={<LineChart size={20} />} onShow={show} />
        </nav>
      </div>
      {sheet && (
        <Sheet label={`About ${block.name}`} onClose={() => useCanvas.getState().put({ inspector: false })}>
          <Inspector app={app} model={model} />
        </Sheet>
      )}
      {shelf && !sheet && (
        <Sheet label="Add from the shelf" onClose={() => setShelf(false)}>
          <div className="phone-shelf">
            <Shelf app={app} />
          </div>
        </Sheet>
      )}
      <CanvasDialogs app={app} model={model} />
    </div>
  );
}

function NavButton(props: {
  now: View;
  view: View;
  label: string;
  icon: ReactNode;
  onShow(view: View): void;
}) {
  const on = props.now === props.view;
  return (
    <button type="button" aria-current={on ? "page" : undefined} onClick={() => props.onShow(props.view)}>
      <span aria-hidden="true">{props.icon}</span>
      {props.label}
    </button>
  );
}

/** Status, address, and the verbs of the whole app. */
function Facts({ app, model, onAdd }: { app: string; model: Model; onAdd(): void }) {
  const { data: status } = useQuery({ ...queries.status(app), retry: false });
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const url = status?.url ?? model.url ?? null;
  const word = wordOf(status?.state);
  const runs = status !== undefined && status.blocks.length > 0;
  const verb = async (name: "stop" | "start") => {
    const started = await startVerb(app, name);
    if (!started.ok) toast(started.error.message, { tone: "bad" });
  };
  const entries: Entries = [
    { label: "Add a block", icon: <Plus />, run: onAdd },
    { label: "Plan", run: () => navigate(to.plan(app)) },
    { label: "app.toml", run: () => navigate(to.file(app)) },
    { label: "Releases, roll back", run: () => navigate(to.releases(app)) },
    "line",
    word === "stopped"
      ? { label: "Start", run: () => void verb("start") }
      : { label: "Stop, keep the data", unless: runs ? null : "nothing runs", run: () => void verb("stop") },
  ];
  return (
    <section className="phone-facts" aria-label="The app">
      <Status word={word} />
      {url === null ? (
        <span className="muted phone-url">no address</span>
      ) : (
        <a className="phone-url" href={url} target="_blank" rel="noreferrer">
          <span>{url.replace(/^https?:\/\//, "").replace(/\/$/, "")}</span>
          <ExternalLink size={14} aria-hidden="true" />
        </a>
      )}
      {url !== null && (
        <IconButton
          label="Copy the address"
          onClick={() =>
            void navigator.clipboard.writeText(url).then(
              () => {
                setCopied(true);
                announce("address copied");
                timer.current = setTimeout(() => setCopied(false), 2_000);
              },
              () => toast("The browser did not allow copying", { tone: "bad" }),
            )
          }
        >
          {copied ? <Check size={18} aria-hidden="true" /> : <Copy size={18} aria-hidden="true" />}
        </IconButton>
      )}
      <Menu label={`Verbs of ${app}`} entries={entries}>
        <IconButton label={`Verbs of ${app}`}>
          <Ellipsis size={18} aria-hidden="true" />
        </IconButton>
      </Menu>
    </section>
  );
}
