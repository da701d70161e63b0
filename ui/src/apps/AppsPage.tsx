// All apps of this server: one row each, with what a person wants to know before opening it. Without
// any, three ways to the first one. Where next: NewApp.tsx, ComposeDialog.tsx.
import { useQuery } from "@tanstack/react-query";
import { Box, ExternalLink, FileInput, FolderOpen, MoreHorizontal, Plus, Sparkles } from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import { Link } from "wouter";
import { queries } from "../api/queries";
import type { AppRow } from "../api/types";
import { startVerb } from "../go/operations";
import { Button, IconButton } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Loading, Problem } from "../parts/Empty";
import { toast } from "../parts/Live";
import { lazily } from "../parts/lazily";
import { type Entries, Menu } from "../parts/Menu";
import { Badge, Status } from "../parts/Status";
import { TextField } from "../parts/TextField";
import { navigate, to } from "../routes";
import { useLive } from "../state/live";
import { wordOf } from "../state/status";
import { freshness } from "../system/staleness";
import { useNow } from "../system/useNow";
import { ago, count } from "../system/words";
import "./apps.css";
import { NewApp, type NewKind } from "./NewApp";
import { Sparkline } from "./Sparkline";

const ExportDialog = lazily(() => import("./ExportDialog").then((it) => ({ default: it.ExportDialog })));
const GitDialog = lazily(() => import("./GitDialog").then((it) => ({ default: it.GitDialog })));
const ComposeDialog = lazily(() => import("./ComposeDialog").then((it) => ({ default: it.ComposeDialog })));

export function AppsPage() {
  const apps = useQuery({ ...queries.apps(), refetchInterval: 5_000 });
  const [making, setMaking] = useState<NewKind | null>(null);
  const [composing, setComposing] = useState(false);
  const [removing, setRemoving] = useState<string | null>(null);
  const [exporting, setExporting] = useState<string | null>(null);
  const [pushing, setPushing] = useState<string | null>(null);
  if (apps.error && !apps.data) {
    return (
      <Problem error={apps.error} what="The apps could not be listed" retry={() => void apps.refetch()} />
    );
  }
  const rows = apps.data;
  return (
    <div className="page">
      <div className="page-inner">
        {rows === undefined ? (
          <Loading what="the apps" />
        ) : rows.length === 0 ? (
          <First onMake={setMaking} onCompose={() => setComposing(true)} />
        ) : (
          <>
            <header className="apps-head">
              <div>
                <h1>Apps</h1>
                <p className="muted">{summary(rows)}</p>
              </div>
              <div className="apps-verbs">
                <Button icon={<FileInput size={15} aria-hidden="true" />} onClick={() => setComposing(true)}>
                  Import compose
                </Button>
                <Button
                  icon={<FolderOpen size={15} aria-hidden="true" />}
                  onClick={() => setMaking("folder")}
                >
                  Open folder
                </Button>
                <Button
                  weight="primary"
                  icon={<Plus size={15} aria-hidden="true" />}
                  onClick={() => setMaking("empty")}
                >
                  New app
                </Button>
              </div>
            </header>
            <Rows rows={rows} onRemove={setRemoving} onExport={setExporting} onPush={setPushing} />
            {!rows.some((row) => row.name === "shop") && (
              <p className="apps-hint muted">
                Want to see a whole one?{" "}
                <button type="button" className="apps-link" onClick={() => setMaking("example")}>
                  Try shop
                </button>
                , with a database, a queue and a page.
              </p>
            )}
          </>
        )}
      </div>
      <NewApp kind={making} taken={(rows ?? []).map((row) => row.name)} onClose={() => setMaking(null)} />
      <Suspense fallback={null}>
        {pushing !== null && <GitDialog app={pushing} onClose={() => setPushing(null)} />}
        {exporting !== null && <ExportDialog app={exporting} onClose={() => setExporting(null)} />}
        {composing && (
          <ComposeDialog taken={(rows ?? []).map((row) => row.name)} onClose={() => setComposing(false)} />
        )}
      </Suspense>
      <Remove app={removing} onClose={() => setRemoving(null)} />
    </div>
  );
}

function summary(rows: readonly AppRow[]): string {
  const number = (word: string) => rows.filter((row) => wordOf(row.state) === word).length;
  const parts = ["failing", "degraded", "starting", "ready", "stopped", "draft"]
    .map((word) => [number(word), word] as const)
    .filter(([many]) => many > 0)
    .map(([many, word]) => `${many} ${word}`);
  return [count(rows.length, "app"), ...parts].join(" · ");
}

interface RowVerbs {
  onRemove(app: string): void;
  onExport(app: string): void;
  onPush(app: string): void;
}

function Rows({ rows, ...verbs }: { rows: readonly AppRow[] } & RowVerbs) {
  const now = useNow(5_000);
  const heardAt = useLive((state) => state.heardAt);
  const connected = useLive((state) => state.connected);
  const fresh = connected || heardAt === 0 ? { kind: "fresh" as const } : freshness(heardAt, now);
  return (
    <ul className="apps">
      {rows.map((row) => (
        <li key={row.name} className="card apps-row">
          <div className="apps-name">
            <Link href={to.canvas(row.name)}>{row.name}</Link>
            <small className="muted">{row.dir}</small>
          </div>
          <div className="apps-status">
            <Status
              word={fresh.kind === "stale" ? "stale" : wordOf(row.state)}
              detail={fresh.kind === "fresh" ? ratio(row) : fresh.text}
            />
            {(row.changes ?? 0) > 0 && (
              <Link href={to.plan(row.name)} className="apps-draft">
                <Badge tone="busy">{count(row.changes ?? 0, "change")} staged</Badge>
              </Link>
            )}
          </div>
          <div className="apps-url">
            {row.url ? (
              <a href={row.url} target="_blank" rel="noreferrer">
                <span>{row.url.replace(/^https?:\/\//, "").replace(/\/$/, "")}</span>
                <ExternalLink size={13} aria-hidden="true" />
                <span className="spoken">, opens a new tab</span>
              </a>
            ) : (
              <span className="muted">no address</span>
            )}
            <small className="muted">{row.target ?? "this machine"}</small>
          </div>
          <div className="apps-last">
            {row.released_at ? (
              <>
                <span>Go {ago(row.released_at, now)}</span>
                {row.released_by && <small className="muted">by {row.released_by}</small>}
              </>
            ) : (
              <span className="muted">no Go yet</span>
            )}
          </div>
          <Sparkline app={row.name} />
          <Menu label={`More for ${row.name}`} entries={entriesOf(row, verbs)}>
            <IconButton label={`More for ${row.name}`}>
              <MoreHorizontal size={17} aria-hidden="true" />
            </IconButton>
          </Menu>
        </li>
      ))}
    </ul>
  );
}

function ratio(row: AppRow): string | null {
  if (row.wanted === undefined || row.ready === undefined || row.wanted === 0) return null;
  return `${row.ready}/${row.wanted}`;
}

function entriesOf(row: AppRow, { onRemove, onExport, onPush }: RowVerbs): Entries {
  const stopped = wordOf(row.state) === "stopped";
  const runs = row.released_at ? null : "it has never run";
  const verb = async (name: "stop" | "start") => {
    const started = await startVerb(row.name, name);
    if (started.ok)
      toast(`${row.name}: ${name === "stop" ? "stopping; its data stays" : "starting"}`, {
        command: `shelf -a ${row.name} ${name}`,
      });
    else toast(`${row.name}: ${started.error.message}`, { tone: "bad" });
  };
  return [
    { label: "Open the canvas", run: () => navigate(to.canvas(row.name)) },
    { label: "Releases", run: () => navigate(to.releases(row.name)) },
    {
      label: "git push …",
      unless: row.dir ? null : "its folder is not on this machine",
      run: () => onPush(row.name),
    },
    {
      label: "Export …",
      unless: row.dir ? null : "its folder is not on this machine",
      run: () => onExport(row.name),
    },
    "line",
    stopped
      ? { label: "Start", unless: runs, run: () => void verb("start") }
      : { label: "Stop, keep the data", unless: runs, run: () => void verb("stop") },
    { label: "Remove …", danger: true, unless: runs, run: () => onRemove(row.name) },
  ];
}

function Remove({ app, onClose }: { app: string | null; onClose(): void }) {
  const [typed, setTyped] = useState("");
  const [data, setData] = useState(false);
  const [busy, setBusy] = useState(false);
  const close = () => {
    setTyped("");
    setData(false);
    onClose();
  };
  const right = app !== null && typed.trim() === app;
  return (
    <Dialog
      open={app !== null}
      onClose={close}
      title={`Remove ${app ?? ""}`}
      actions={
        <>
          <Button onClick={close}>Keep it</Button>
          <Button
            weight="danger"
            disabled={!right || busy}
            onClick={async () => {
              if (app === null) return;
              setBusy(true);
              const started = await startVerb(app, "destroy", data ? { data: app } : {});
              setBusy(false);
              if (started.ok) {
                toast(`${app} is being removed`, {
                  command: `shelf -a ${app} destroy${data ? " --data" : ""}`,
                });
                close();
              } else toast(`${app} was not removed: ${started.error.message}`, { tone: "bad" });
            }}
          >
            {data ? "Remove it and its data" : "Remove it, keep the data"}
          </Button>
        </>
      }
    >
      <div className="stack">
        <p>
          Its copies, addresses and logins go. The folder with <code>app.toml</code> stays as it is.
        </p>
        <label className="row">
          <input type="checkbox" checked={data} onChange={(event) => setData(event.target.checked)} />
          <span>Also delete its disks and everything on them. This cannot be undone.</span>
        </label>
        <TextField
          label={<>Type {app} to remove it</>}
          autoComplete="off"
          value={typed}
          onChange={setTyped}
        />
      </div>
    </Dialog>
  );
}

function First({ onMake, onCompose }: { onMake(kind: NewKind): void; onCompose(): void }) {
  return (
    <section className="first" aria-labelledby="first">
      <h1 id="first">Put an application together</h1>
      <p className="muted">
        Take modules off the shelf, tie them to your code, press Go. You get a running app with an address.
      </p>
      <div className="first-cards">
        <Card icon={<Sparkles size={22} />} title="Try shop" onClick={() => onMake("example")}>
          A small shop with PostgreSQL and RabbitMQ. Runs in a minute or so.
        </Card>
        <Card icon={<FolderOpen size={22} />} title="My folder" onClick={() => onMake("folder")}>
          A folder on this machine: with an <code>app.toml</code>, or with your code and a Dockerfile.
        </Card>
        <Card icon={<FileInput size={22} />} title="My compose file" onClick={onCompose}>
          See line by line what it becomes here, and take it.
        </Card>
      </div>
      <p>
        <Button icon={<Box size={15} aria-hidden="true" />} weight="quiet" onClick={() => onMake("empty")}>
          Or begin with an empty canvas
        </Button>
      </p>
    </section>
  );
}

function Card(props: { icon: ReactNode; title: string; children: ReactNode; onClick(): void }) {
  return (
    <button type="button" className="card first-card" onClick={props.onClick}>
      <span className="first-icon" aria-hidden="true">
        {props.icon}
      </span>
      <strong>{props.title}</strong>
      <span className="muted">{props.children}</span>
    </button>
  );
}
