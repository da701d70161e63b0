// The main screen: shelf or outline, canvas, inspector, drawers, and what floats above the canvas.
// Where next: CanvasView.tsx (the canvas), keysOn.ts (every key), state/canvas.ts (what is open).
import { useQuery } from "@tanstack/react-query";
import { FileWarning, ListTree, PanelLeftClose, PanelLeftOpen } from "lucide-react";
import { Suspense, useEffect } from "react";
import { Link, useSearch } from "wouter";
import { appPath, post, type Refusal } from "../api/client";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { useDrawers } from "../drawers/state";
import { useOperation } from "../go/operations";
import { Button, IconButton } from "../parts/Button";
import { Loading, Problem } from "../parts/Empty";
import { lazily } from "../parts/lazily";
import { Tabs } from "../parts/Tabs";
import { useNarrow } from "../phone/narrow";
import { to } from "../routes";
import { Shelf } from "../shelf/Shelf";
import { useCanvas } from "../state/canvas";
import { blockOfLine, isBroken } from "../state/validity";
import { CanvasView } from "./CanvasView";
import { CommandCorner } from "./CommandCorner";
import { EmptyCanvas } from "./EmptyCanvas";
import { useKeysOn } from "./keysOn";
import { Toolbar } from "./Toolbar";
import { WireHint } from "./WireHint";
import { WirePanel } from "./WirePanel";

const Clashes = lazily(() => import("../clash/Clashes").then((it) => ({ default: it.Clashes })));
const GhostHint = lazily(() => import("./GhostHint").then((it) => ({ default: it.GhostHint })));
const CanvasDialogs = lazily(() => import("./Dialogs").then((it) => ({ default: it.CanvasDialogs })));
const Drawers = lazily(() => import("../drawers/Drawers").then((it) => ({ default: it.Drawers })));
const GoPanel = lazily(() => import("../go/GoPanel").then((it) => ({ default: it.GoPanel })));
const Inspector = lazily(() => import("../inspector/Inspector").then((it) => ({ default: it.Inspector })));
const Outline = lazily(() => import("../outline/Outline").then((it) => ({ default: it.Outline })));
const PhoneApp = lazily(() => import("../phone/PhoneApp").then((it) => ({ default: it.PhoneApp })));

function Side({ app }: { app: string }) {
  const outline = useCanvas((it) => it.outline);
  const put = useCanvas((it) => it.put);
  return (
    <aside className="side" aria-label="Shelf and outline" data-region="shelf">
      <Tabs
        label="Shelf or outline"
        value={outline ? "outline" : "shelf"}
        onChange={(id) => put({ outline: id === "outline" })}
        extra={
          <IconButton label="Hide the shelf" onClick={() => put({ shelf: false })}>
            <PanelLeftClose size={16} aria-hidden="true" />
          </IconButton>
        }
        tabs={[
          { id: "shelf", label: "Shelf", content: <Shelf app={app} /> },
          {
            id: "outline",
            label: "Outline",
            content: (
              <Suspense fallback={<Loading what="the outline" />}>
                <Outline app={app} />
              </Suspense>
            ),
          },
        ]}
      />
    </aside>
  );
}

/** What is not right in the file, each with the block it is about. */
function Issues({ app, model }: { app: string; model: Model }) {
  if (model.valid || model.diagnostics.length === 0) return null;
  const first = model.diagnostics[0];
  if (!first) return null;
  if (isBroken(model)) {
    return (
      <div className="issues broken" role="alert">
        <FileWarning size={16} aria-hidden="true" />
        <p>
          <b>{`app.toml, line ${first.line}:`}</b> {first.message}. You see the last good state; edits here
          wait.
        </p>
        <Link className="button small" href={to.file(app)}>
          Repair the file
        </Link>
      </div>
    );
  }
  const block = blockOfLine(model, first);
  const rest = model.diagnostics.length - 1;
  return (
    <div className="issues" role="status">
      <FileWarning size={16} aria-hidden="true" />
      <p>
        {first.message}
        {rest > 0 && <span className="muted"> {`and ${rest} more`}</span>}
      </p>
      {block && (
        <Button
          small
          onClick={() => {
            useCanvas.getState().select([block]);
            useCanvas.getState().put({ toFocus: block, toCentre: block });
            useCanvas.getState().openInspector(first.code.startsWith("wire/") ? "wires" : "settings");
          }}
        >{`Show ${block}`}</Button>
      )}
    </div>
  );
}

function usePresence(app: string): void {
  const block = useCanvas((it) => it.selected.at(-1) ?? null);
  useEffect(() => {
    const timer = setTimeout(() => void post(appPath(app, "/presence"), { block }), 300);
    return () => clearTimeout(timer);
  }, [app, block]);
}

function Desk({ app, model }: { app: string; model: Model }) {
  useKeysOn(app);
  usePresence(app);
  const { shelf, inspector, selected, put } = useCanvas();
  const drawers = useDrawers((it) => it.shown);
  const working = useOperation(app) !== null;
  const block = model.blocks.some((it) => it.name === selected.at(-1));
  return (
    <div className="desk">
      <div className="desk-row">
        {shelf ? (
          <Side app={app} />
        ) : (
          <div className="side-closed" data-region="shelf">
            <IconButton
              label="Show the shelf"
              shortcut="/"
              side="right"
              onClick={() => put({ shelf: true, outline: false })}
            >
              <PanelLeftOpen size={17} aria-hidden="true" />
            </IconButton>
            <IconButton
              label="Show the outline"
              shortcut="O"
              side="right"
              onClick={() => put({ shelf: true, outline: true })}
            >
              <ListTree size={17} aria-hidden="true" />
            </IconButton>
          </div>
        )}
        <div className="desk-centre">
          <Issues app={app} model={model} />
          <Suspense fallback={null}>
            <Clashes app={app} model={model} />
          </Suspense>
          <div className="canvas-box">
            <CanvasView app={app} />
            {model.blocks.length === 0 && <EmptyCanvas app={app} />}
            <WireHint />
            <Suspense fallback={null}>
              <GhostHint app={app} model={model} />
            </Suspense>
            <WirePanel app={app} model={model} />
            {working && (
              <div className="go-place">
                <Suspense fallback={null}>
                  <GoPanel app={app} place="canvas" />
                </Suspense>
              </div>
            )}
            <Toolbar app={app} model={model} />
            <CommandCorner app={app} />
          </div>
        </div>
        {inspector && block && (
          <Suspense fallback={<aside className="inspector" aria-label="Inspector" />}>
            <Inspector app={app} model={model} />
          </Suspense>
        )}
      </div>
      {drawers && (
        <Suspense fallback={null}>
          <Drawers app={app} />
        </Suspense>
      )}
      <Suspense fallback={null}>
        <CanvasDialogs app={app} model={model} />
      </Suspense>
    </div>
  );
}

export function CanvasPage({ app }: { app: string }) {
  const { data: model, error, refetch } = useQuery(queries.model(app));
  const narrow = useNarrow();
  const search = useSearch();
  useEffect(() => {
    useCanvas.getState().reset();
  }, []);
  const query = new URLSearchParams(search);
  const [wanted, wire] = [query.get("block"), query.get("wire")];
  const there = Boolean(model);
  useEffect(() => {
    if (!wanted || !there) return;
    useCanvas.getState().select([wanted]);
    useCanvas.getState().put({ inspector: true, toFocus: wanted, toCentre: wanted });
  }, [wanted, there]);
  useEffect(() => {
    if (wire && there) useCanvas.getState().selectWire(wire);
  }, [wire, there]);
  useEffect(() => {
    document.title = `${app} – Shelf`;
  }, [app]);
  if (!model) {
    if (error)
      return (
        <Problem what={`${app} could not be opened`} error={error as Refusal} retry={() => void refetch()} />
      );
    return <Loading what={app} />;
  }
  if (narrow) {
    return (
      <Suspense fallback={<Loading what={app} />}>
        <PhoneApp app={app} />
      </Suspense>
    );
  }
  return <Desk app={app} model={model} />;
}
