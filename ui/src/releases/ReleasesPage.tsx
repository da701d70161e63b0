// What each Go made: list, compare any two, go back to one. Going back brings the app file of that
// release; data is never taken back by it. Where next: diff.ts, ../go/GoPanel.tsx.
import { useQueries, useQuery } from "@tanstack/react-query";
import { History, Undo2 } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { queries } from "../api/queries";
import type { Release } from "../api/types";
import { GoPanel } from "../go/GoPanel";
import { startVerb, useOperation } from "../go/operations";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Empty, Loading, Problem } from "../parts/Empty";
import { toast } from "../parts/Live";
import { Badge } from "../parts/Status";
import { to } from "../routes";
import { useLive } from "../state/live";
import { useNow } from "../system/useNow";
import { ago, seconds, when } from "../system/words";
import { Backups } from "./Backups";
import { diff } from "./diff";
import { UndoGo } from "./UndoGo";
import "./releases.css";

export function ReleasesPage({ app }: { app: string }) {
  const releases = useQuery(queries.releases(app));
  const status = useQuery({ ...queries.status(app), retry: false });
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [undoing, setUndoing] = useState(false);
  const [back, setBack] = useState<Release | null>(null);
  const operation = useOperation(app);
  const connected = useLive((state) => state.connected);
  const now = useNow(10_000);
  if (releases.error && !releases.data) {
    return (
      <Problem
        error={releases.error}
        what="The releases could not be listed"
        retry={() => void releases.refetch()}
      />
    );
  }
  const list = [...(releases.data ?? [])].sort((a, b) => b.at.localeCompare(a.at));
  const live = status.data?.release ?? list[0]?.release ?? null;
  const pick = (release: string, on: boolean) =>
    setPicked((was) => (on ? [...was, release].slice(-2) : was.filter((one) => one !== release)));
  return (
    <div className="page">
      <div className="page-inner">
        <header className="releases-head">
          <div>
            <h1>Releases</h1>
            <p className="muted">Each Go that changed something. Tick two to compare them.</p>
          </div>
          {list.length > 1 && (
            <Button
              icon={<Undo2 size={15} aria-hidden="true" />}
              disabled={operation?.running === true || !connected}
              onClick={() => setUndoing(true)}
            >
              Take back the last Go…
            </Button>
          )}
        </header>
        <GoPanel app={app} place="page" />
        {releases.data === undefined ? (
          <Loading what="the releases" />
        ) : list.length === 0 ? (
          <Empty title="No release yet" icon={<History size={34} />}>
            The first <Link href={to.plan(app)}>Go</Link> makes one. From then on you can compare and go back
            here.
          </Empty>
        ) : (
          <>
            <ol className="releases">
              {list.map((one) => {
                const on = picked.includes(one.release);
                return (
                  <li key={one.release} className={`card release ${on ? "picked" : ""}`}>
                    <label className="release-pick">
                      <input
                        type="checkbox"
                        checked={on}
                        onChange={(event) => pick(one.release, event.target.checked)}
                      />
                      <span className="spoken">Compare {one.release}</span>
                    </label>
                    <div className="release-what">
                      <strong>{one.summary || "no change of the app file"}</strong>
                      <small className="muted">
                        <code>{one.release}</code>
                      </small>
                    </div>
                    <div className="release-who">
                      <time dateTime={one.at} title={when(one.at)}>
                        {ago(one.at, now)}
                      </time>
                      <small className="muted">by {one.by || "unknown"}</small>
                    </div>
                    <span className="release-took muted">took {seconds(one.seconds)}</span>
                    {one.release === live ? (
                      <Badge tone="good">runs now</Badge>
                    ) : (
                      <Button
                        small
                        icon={<Undo2 size={14} aria-hidden="true" />}
                        disabled={operation?.running === true || !connected}
                        onClick={() => setBack(one)}
                      >
                        Go back to this
                      </Button>
                    )}
                  </li>
                );
              })}
            </ol>
            {picked.length > 0 && <Compare app={app} picked={picked} list={list} />}
          </>
        )}
        {releases.data !== undefined && <Backups app={app} runs={list.length > 0} />}
      </div>
      {undoing && <UndoGo app={app} onClose={() => setUndoing(false)} />}
      <Back app={app} release={back} onClose={() => setBack(null)} />
    </div>
  );
}

function Compare({
  app,
  picked,
  list,
}: {
  app: string;
  picked: readonly string[];
  list: readonly Release[];
}) {
  const ordered = list.filter((one) => picked.includes(one.release)).reverse();
  const texts = useQueries({ queries: ordered.map((one) => queries.release(app, one.release)) });
  const [older, newer] = ordered;
  if (older === undefined || newer === undefined) {
    return <p className="releases-hint muted">Tick one more to compare it with {ordered[0]?.release}.</p>;
  }
  const failed = texts.find((one) => one.error);
  if (failed?.error) {
    return (
      <Problem
        error={failed.error}
        what="The releases could not be compared"
        retry={() => void failed.refetch()}
      />
    );
  }
  const [before, after] = texts.map((one) => one.data?.text);
  if (before === undefined || after === undefined) return <Loading what="both releases" />;
  const lines = diff(before, after);
  const same = before === after;
  return (
    <section className="card releases-diff" aria-labelledby="compare">
      <h2 id="compare">
        <code>{older.release}</code> → <code>{newer.release}</code>
      </h2>
      {same ? (
        <p className="muted">
          Their app files are the same; what differs is the code that images were made from.
        </p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
        <div className="diff" role="region" aria-label="What changed in app.toml" tabIndex={0}>
          <table>
            <tbody>
              {lines.map((line, index) => (
                <tr key={index} className={line.kind}>
                  <td className="diff-number">{line.before ?? ""}</td>
                  <td className="diff-number">{line.after ?? ""}</td>
                  <td className="diff-mark">
                    <span aria-hidden="true">
                      {{ added: "+", removed: "−", same: "", gap: "⋯" }[line.kind]}
                    </span>
                    {(line.kind === "added" || line.kind === "removed") && (
                      <span className="spoken">{line.kind}: </span>
                    )}
                  </td>
                  <td>{line.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Back({ app, release, onClose }: { app: string; release: Release | null; onClose(): void }) {
  const [busy, setBusy] = useState(false);
  const now = useNow(10_000);
  return (
    <Dialog
      open={release !== null}
      onClose={onClose}
      title={`Go back to ${release?.release ?? ""}`}
      actions={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button
            weight="primary"
            disabled={busy}
            onClick={async () => {
              if (release === null) return;
              setBusy(true);
              const started = await startVerb(app, "rollback", { release: release.release });
              setBusy(false);
              if (started.ok) onClose();
              else toast(`Not gone back: ${started.error.message}`, { tone: "bad" });
            }}
          >
            Go back
          </Button>
        </>
      }
    >
      <div className="stack">
        <p>
          {app} runs again what ran {release === null ? "" : ago(release.at, now)}: the app file and the
          images of then. Blocks that differ are restarted.
        </p>
        <p>
          <strong>Data stays as it is now.</strong> If a step changed the database since, the older code meets
          the newer data.
        </p>
      </div>
    </Dialog>
  );
}
