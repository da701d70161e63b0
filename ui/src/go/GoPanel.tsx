// A verb under way on an app, its end, or its failure. On the canvas it is a card at the side, on the
// plan page a part of the page. Where next: operations.ts (what it shows), FailureCard.tsx.
import { useQuery } from "@tanstack/react-query";
import { Check, ChevronDown, ChevronUp, Copy, ExternalLink, Square, X } from "lucide-react";
import { Suspense, useEffect, useRef, useState } from "react";
import { appPath } from "../api/client";
import { queries } from "../api/queries";
import { onTarget, withTarget } from "../api/target";
import { Button, IconButton } from "../parts/Button";
import { announce, toast } from "../parts/Live";
import { lazily } from "../parts/lazily";
import { useNow } from "../system/useNow";
import { ago, list, seconds } from "../system/words";
import { CARE, careLines } from "./care";
import { FailureCard } from "./FailureCard";
import "./go.css";
import { cancel, dismiss, type Operation, useOperation } from "./operations";
import { type BlockProgress, bar, doing, finished, type Progress, spoken, withBlocks } from "./progress";

const UndoGo = lazily(() => import("../releases/UndoGo").then((it) => ({ default: it.UndoGo })));

const TITLES: Record<string, [running: string, done: string]> = {
  ...CARE,
  go: ["Going", "is live"],
  stop: ["Stopping", "is stopped; its data stays"],
  start: ["Starting", "is started"],
  restart: ["Restarting", "is restarted"],
  destroy: ["Removing", "is removed"],
  rollback: ["Going back", "is back on the earlier release"],
  undo: ["Taking back the last Go", "is as it was before the last Go"],
};

function titles({ verb, result }: Operation): [running: string, done: string] {
  if (verb === "move" && result?.dry_run === true) return ["Looking", "can move"];
  if (verb === "move" && result?.undone === true) return ["Looking", "is where it was"];
  return TITLES[verb] ?? [verb, "is done"];
}

export interface GoPanelProps {
  app: string;
  place?: "canvas" | "page";
}

export function GoPanel({ app, place = "canvas" }: GoPanelProps) {
  const operation = useOperation(app);
  if (operation === null || operation.dismissed) return null;
  return (
    <section
      className={`go-panel on-${place}`}
      aria-label={titleOf(operation)}
      data-state={stateOf(operation)}
    >
      {operation.running ? (
        <Running operation={operation} />
      ) : operation.error !== null ? (
        <FailureCard operation={operation} />
      ) : (
        <Done operation={operation} />
      )}
    </section>
  );
}

function stateOf(operation: Operation): string {
  if (operation.running) return "running";
  return operation.error === null ? "done" : "failed";
}

function titleOf(operation: Operation): string {
  const [running, done] = titles(operation);
  return operation.running ? `${running}: ${operation.app}` : `${operation.app} ${done}`;
}

function Running({ operation }: { operation: Operation }) {
  const now = useNow(1000);
  const model = useQuery(queries.model(operation.app));
  const [open, setOpen] = useState(true);
  const [ending, setEnding] = useState(false);
  const names = model.data?.blocks.map((block) => block.name) ?? [];
  const whole = ["go", "rollback", "undo"].includes(operation.verb);
  const progress = whole ? withBlocks(operation.progress, names) : operation.progress;
  useSpoken(operation, progress);
  const ready = progress.blocks.filter(finished).length;
  return (
    <>
      <header className="go-head">
        <span className="go-spin" aria-hidden="true" />
        <h2>{titleOf(operation)}</h2>
        <span className="go-time">{seconds(Math.max(0, (now - operation.started) / 1000))}</span>
        <IconButton
          label={open ? "Show less" : "Show more"}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? <ChevronUp size={16} aria-hidden="true" /> : <ChevronDown size={16} aria-hidden="true" />}
        </IconButton>
      </header>
      <p className="go-sum">
        {progress.blocks.length === 0
          ? (progress.notes.at(-1) ?? "Reading the app and what runs …")
          : `${ready} of ${progress.blocks.length} blocks done`}
        {operation.by !== "" && ` · by ${operation.by}`}
      </p>
      {open && (
        <>
          <ul className="go-blocks">
            {progress.blocks.map((block) => (
              <BlockBar key={block.name} block={block} />
            ))}
          </ul>
          <WireLines progress={progress} />
          {progress.notes.slice(-3).map((note, index) => (
            <p key={index} className="go-note">
              {note}
            </p>
          ))}
        </>
      )}
      <footer className="go-foot">
        <Button
          small
          weight="quiet"
          icon={<Square size={13} aria-hidden="true" />}
          disabled={ending}
          onClick={async () => {
            setEnding(true);
            const answer = await cancel(operation.id);
            if (!answer.ok) {
              setEnding(false);
              toast(`It could not be ended: ${answer.error.message}`, { tone: "bad" });
            }
          }}
        >
          {ending ? "Ending …" : "Stop waiting and end it"}
        </Button>
      </footer>
    </>
  );
}

/** Speaks what is new; the live region itself lets at most one line pass in two seconds. */
function useSpoken(operation: Operation, progress: Progress): void {
  const before = useRef(progress);
  useEffect(() => {
    const line = spoken(before.current, progress);
    before.current = progress;
    if (line !== null) announce(line);
  }, [progress]);
  const { id } = operation;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once per operation
  useEffect(() => announce(titleOf(operation)), [id]);
}

export function BlockBar({ block }: { block: BlockProgress }) {
  const known = bar(block);
  const value = known === "done" ? 100 : known === "unknown" ? undefined : (known.value / known.of) * 100;
  const kind =
    block.state === "failing"
      ? "bad"
      : known === "done"
        ? "good"
        : block.state === "waiting" || block.state === "built"
          ? "idle"
          : "busy";
  const last = block.output.at(-1);
  return (
    <li className={`go-block ${kind}`}>
      <span className="go-name">{block.name}</span>
      <span className="go-doing">{doing(block)}</span>
      <div
        className={`go-bar ${value === undefined && kind === "busy" ? "unknown" : ""}`}
        role="progressbar"
        aria-label={block.name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={value === undefined ? undefined : Math.round(value)}
        aria-valuetext={doing(block)}
      >
        <span style={{ width: `${value ?? 0}%` }} />
      </div>
      {block.state === "building" && (
        <code className="go-step" title={block.step?.text ?? block.detail}>
          {last !== undefined && last !== "" ? last : (block.step?.text ?? block.detail)}
        </code>
      )}
    </li>
  );
}

function WireLines({ progress }: { progress: Progress }) {
  if (progress.wires.length === 0) return null;
  const probed = progress.wires.filter((wire) => wire.state === "probed").length;
  return (
    <ul className="go-wires" aria-label={`Wires: ${probed} of ${progress.wires.length} live`}>
      {progress.wires.map((wire) => (
        <li key={`${wire.consumer} ${wire.provider}`} data-state={wire.state}>
          <span className="go-wire-line" aria-hidden="true" />
          <span>
            {wire.consumer} → {wire.provider}
          </span>
          <span className="go-doing">
            {wire.state === "probed" ? "live" : wire.state === "granted" ? "login made" : wire.state}
          </span>
        </li>
      ))}
    </ul>
  );
}

interface GoResult {
  url?: string | null;
  seconds?: number;
  changed?: boolean | string[];
  release?: string;
  build_steps?: number;
  cached_steps?: number;
  shown_secrets?: [string, string][];
  /** Of destroy: what stays; of undo: the backup of what was replaced. */
  kept?: string[] | string | null;
}

function Done({ operation }: { operation: Operation }) {
  const result = (operation.result ?? {}) as GoResult;
  const looked = operation.result?.dry_run === true;
  const url = looked ? null : (result.url ?? operation.progress.done?.url ?? null);
  const took = result.seconds ?? operation.progress.done?.seconds ?? null;
  const address = useRef<HTMLButtonElement>(null);
  const [copied, setCopied] = useState(false);
  const [undoing, setUndoing] = useState(false);
  const releases = useQuery({ ...queries.releases(operation.app), enabled: operation.verb === "go" });
  const now = useNow(10_000);
  const { id } = operation;

  // The address has the focus unless the person is at something else.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once per operation
  useEffect(() => {
    const at = document.activeElement;
    const idle = at === null || at === document.body || at.closest(".go-panel, [data-go]") !== null;
    if (idle) address.current?.focus();
    announce(
      `${titleOf(operation)}${took === null ? "" : ` after ${seconds(took)}`}${url === null ? "" : `, at ${url}`}`,
    );
  }, [id]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(url ?? "");
      setCopied(true);
      announce("address copied");
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      toast("The browser did not allow copying; the address is shown in full", { tone: "bad" });
    }
  };
  const same = operation.verb === "go" && result.changed === false;
  const previous = (releases.data ?? []).filter((one) => one.release !== result.release)[0];
  return (
    <>
      <header className="go-head">
        <span className="go-tick" aria-hidden="true">
          <Check size={15} />
        </span>
        <h2>{same ? `${operation.app}: nothing had to change` : titleOf(operation)}</h2>
        {took !== null && <span className="go-time">{seconds(took)}</span>}
        <IconButton label="Close" onClick={() => dismiss(operation.id)}>
          <X size={16} aria-hidden="true" />
        </IconButton>
      </header>
      {url !== null && operation.verb !== "stop" && operation.verb !== "destroy" && (
        <div className="go-url">
          <button
            ref={address}
            type="button"
            className="go-address"
            onClick={copy}
            aria-label={`Copy ${url}`}
          >
            <span>{url}</span>
            {copied ? <Check size={15} aria-hidden="true" /> : <Copy size={15} aria-hidden="true" />}
          </button>
          <a className="button primary" href={url} target="_blank" rel="noreferrer">
            <ExternalLink size={15} aria-hidden="true" />
            <span>Open</span>
          </a>
        </div>
      )}
      {(result.shown_secrets ?? []).length > 0 && (
        <dl className="go-secrets">
          {(result.shown_secrets ?? []).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>{value}</code>
              </dd>
            </div>
          ))}
          <p className="go-note">Shown once, now. Keep it somewhere safe.</p>
        </dl>
      )}
      {Array.isArray(result.kept) && result.kept.length > 0 && (
        <p className="go-note">Kept: {list(result.kept)}.</p>
      )}
      {typeof result.kept === "string" && operation.verb !== "move" && (
        <p className="go-note">
          What was replaced is kept as the backup <code>{result.kept}</code>.
        </p>
      )}
      {careLines(operation.verb, operation.result).map((line) => (
        <p key={line} className="go-note">
          {line}
        </p>
      ))}
      {operation.verb === "pack" && (
        <p className="go-next">
          <a href={`${appPath(operation.app, "/pack")}?${withTarget(new URLSearchParams())}`} download>
            Download
          </a>
        </p>
      )}
      {operation.verb === "go" && (
        <p className="go-next">
          Changed your code? <code>{onTarget("shelf push")}</code> sends it and goes.
          {result.build_steps !== undefined && result.build_steps > 0 && (
            <span className="muted">
              {" "}
              {result.cached_steps} of {result.build_steps} build steps were cached.
            </span>
          )}
        </p>
      )}
      {operation.verb === "go" && !same && previous !== undefined && (
        <footer className="go-foot">
          <Button small onClick={() => setUndoing(true)}>
            Undo: back to the release of {ago(previous.at, now)}
          </Button>
        </footer>
      )}
      <Suspense fallback={null}>
        {undoing && <UndoGo app={operation.app} onClose={() => setUndoing(false)} />}
      </Suspense>
    </>
  );
}
