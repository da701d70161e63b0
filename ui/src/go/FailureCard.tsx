// A verb that failed: the block comes to the middle, its log opens on the last lines with the first
// error marked, three sentences say what was tried, why not, and what next; buttons do it.
import { useQuery } from "@tanstack/react-query";
import { CircleAlert, X } from "lucide-react";
import { Suspense, useEffect, useMemo, useRef } from "react";
import { useLocation } from "wouter";
import { queries } from "../api/queries";
import { Inert } from "../drawers/EventsPane";
import { firstError } from "../drawers/logs/level";
import { useDrawers } from "../drawers/state";
import { Button, IconButton } from "../parts/Button";
import { announce, toast } from "../parts/Live";
import { lazily } from "../parts/lazily";
import { to } from "../routes";
import { useCanvas } from "../state/canvas";
import { type Action, failure } from "./failure";
import { dismiss, type Operation, startVerb } from "./operations";
import { troubleOf } from "./trouble";
import { goWithMine } from "./withMine";

const TroublePanel = lazily(() => import("./TroublePanel").then((it) => ({ default: it.TroublePanel })));

/** So many lines of the log are opened. */
const LAST = 30;

export function FailureCard({ operation }: { operation: Operation }) {
  const { app, verb, id } = operation;
  const model = useQuery(queries.model(app));
  const [, go] = useLocation();
  const openDrawer = useDrawers((state) => state.open);
  const names = useMemo(
    () => [
      ...new Set([
        ...(model.data?.blocks.map((block) => block.name) ?? []),
        ...operation.progress.blocks.map((block) => block.name),
      ]),
    ],
    [model.data, operation.progress],
  );
  const error = operation.error ?? { code: "", message: "it ended" };
  const told = failure(verb, app, error, names);
  const ended = error.code === "operation/cancelled";
  const failing =
    told.block ?? operation.progress.blocks.find((block) => block.state === "failing")?.name ?? null;
  const output = operation.progress.blocks.find((block) => block.name === failing)?.output ?? [];
  const built = /^(build|image)\//.test(error.code);
  const lines = told.lines.length > 0 ? told.lines : built ? output.slice(-LAST) : [];
  const mark = firstError(lines);
  const trouble = ended ? null : troubleOf(error, lines);

  const shown = useRef<string | null>(null);
  useEffect(() => {
    if (shown.current === id || model.data === undefined) return;
    shown.current = id;
    announce(`${told.tried} ${told.why}`);
    if (failing === null) return;
    useCanvas.getState().select([failing]);
    useCanvas.getState().centre(failing);
    // A failed build has no copy that could have written a log; its output is in the card.
    if (!built)
      openDrawer("logs", { block: failing, tail: LAST, previous: /crash|^start\//.test(error.code) });
  }, [id, model.data, failing, built, told, error.code, openDrawer]);

  const act = async (action: Action) => {
    switch (action.do) {
      case "logs":
        openDrawer("logs", { block: action.block, tail: LAST, previous: action.previous });
        break;
      case "terminal":
        openDrawer("terminal", { block: action.block });
        break;
      case "file":
        go(to.file(app));
        break;
      case "system":
        go(to.system());
        break;
      case "settings":
        useCanvas.getState().select([action.block]);
        useCanvas.getState().openInspector("settings");
        go(to.canvas(app));
        break;
      case "copy":
        await navigator.clipboard.writeText(action.text);
        break;
      case "retry":
        if (verb === "go" || verb === "stop" || verb === "start") {
          const started = verb === "go" ? await goWithMine(app) : await startVerb(app, verb);
          if (started?.ok === false) toast(started.error.message, { tone: "bad" });
        } else go(to.plan(app));
    }
  };

  return (
    <div role="alert" className="go-failure">
      <header className="go-head">
        <CircleAlert size={18} aria-hidden="true" />
        <h2>
          {ended
            ? `${app}: ended as you asked`
            : failing === null
              ? `${app}: ${verb} failed`
              : `${failing} failed`}
        </h2>
        <IconButton label="Close" onClick={() => dismiss(id)}>
          <X size={16} aria-hidden="true" />
        </IconButton>
      </header>
      <dl className="go-three">
        <dt>Tried</dt>
        <dd>{told.tried}</dd>
        <dt>Why not</dt>
        <dd>
          <Inert text={told.why} />
        </dd>
        <dt>Next</dt>
        <dd>
          <Inert text={told.next} />
        </dd>
      </dl>
      {trouble && (
        <Suspense fallback={null}>
          <TroublePanel app={app} trouble={trouble} block={failing} model={model.data} />
        </Suspense>
      )}
      {lines.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
        <pre className="go-lines" tabIndex={0} role="region" aria-label="Its last lines">
          {lines.map((line, index) => (
            <span key={index} className={index === mark ? "marked" : ""}>
              {index === mark && <span className="spoken">first error: </span>}
              <Inert text={line} />
              {"\n"}
            </span>
          ))}
        </pre>
      )}
      <p className="go-note">What ran before still runs; nothing was rolled back.</p>
      <footer className="go-foot">
        {told.actions.map((action, index) => (
          <Button
            key={action.label}
            small
            weight={index === told.actions.length - 1 ? "primary" : "normal"}
            onClick={() => void act(action)}
          >
            {action.label}
          </Button>
        ))}
      </footer>
      {error.code !== "" && <code className="go-code">{error.code}</code>}
    </div>
  );
}
