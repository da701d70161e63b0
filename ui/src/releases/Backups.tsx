// The backups of an app: made here, put back here or into an app of their own, and a copy of what runs.
// One that is sealed with a key is restored by the command line, which alone takes keys.
import { useQuery } from "@tanstack/react-query";
import { Archive, ArrowRightLeft, CalendarClock, CopyPlus, Trash2 } from "lucide-react";
import { useState } from "react";
import { queries } from "../api/queries";
import type { Backup } from "../api/types";
import { startVerb, useOperation } from "../go/operations";
import { Ask } from "../parts/Ask";
import { Button, IconButton } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { toast } from "../parts/Live";
import { Badge } from "../parts/Status";
import { NewName, TextField } from "../parts/TextField";
import { useLive } from "../state/live";
import { isName } from "../state/names";
import { useNow } from "../system/useNow";
import { ago, bytes, when } from "../system/words";
import { DeleteBackup, ScheduleDialog } from "./KeepBackups";
import { MoveDialog } from "./MoveDialog";

const LABELS: Record<string, string> = {
  backup: "made by hand",
  schedule: "by the schedule",
  snapshot: "snapshot, with its code",
  "before-go": "before a Go",
  "before-restore": "before a restore",
  copy: "for a copy",
  move: "for a move",
};

/** So many are listed before "all" is asked for. */
const COMMON = 8;

export function Backups({ app, runs }: { app: string; runs: boolean }) {
  const { data, error } = useQuery(queries.backups(app));
  const operation = useOperation(app);
  const connected = useLive((state) => state.connected);
  const now = useNow(10_000);
  const [all, setAll] = useState(false);
  const [restoring, setRestoring] = useState<Backup | null>(null);
  const [copying, setCopying] = useState(false);
  const [moving, setMoving] = useState(false);
  const targets = useQuery(queries.targets()).data ?? [];
  const [scheduling, setScheduling] = useState(false);
  const [deleting, setDeleting] = useState<Backup | null>(null);
  const busy = operation?.running === true || !connected;
  const list = [...(data?.backups ?? [])].sort((a, b) => b.at.localeCompare(a.at));
  if (!runs && list.length === 0) return null;
  const make = async () => {
    const started = await startVerb(app, "backup");
    if (started.ok) toast("The app is being backed up", { command: `shelf -a ${app} backup` });
    else toast(`Not backed up: ${started.error.message}`, { tone: "bad" });
  };
  return (
    <section className="backups" aria-labelledby="backups">
      <header className="releases-head">
        <div>
          <h2 id="backups">Backups</h2>
          <p className="muted">
            {data?.schedule
              ? `By themselves at ${data.schedule.every} (UTC), the last ${data.schedule.keep} are kept.`
              : "Made by hand, and by the server itself before a Go that could lose data."}
          </p>
        </div>
        <div className="row">
          {targets.length > 1 && (
            <Button
              icon={<ArrowRightLeft size={15} aria-hidden="true" />}
              disabled={busy || !runs}
              onClick={() => setMoving(true)}
            >
              Move…
            </Button>
          )}
          <Button
            icon={<CopyPlus size={15} aria-hidden="true" />}
            disabled={busy || !runs}
            onClick={() => setCopying(true)}
          >
            Copy the app…
          </Button>
          <Button
            icon={<CalendarClock size={15} aria-hidden="true" />}
            disabled={!connected || (!runs && !data?.schedule)}
            onClick={() => setScheduling(true)}
          >
            Schedule…
          </Button>
          <Button
            icon={<Archive size={15} aria-hidden="true" />}
            disabled={busy || !runs}
            onClick={() => void make()}
          >
            Back up now
          </Button>
        </div>
      </header>
      {data?.schedule?.trouble && (
        <p className="field-errors" role="alert">
          The last one by the schedule failed: {data.schedule.trouble}
        </p>
      )}
      {error && (
        <p className="field-errors" role="alert">
          The backups could not be listed: {error.message}
        </p>
      )}
      {data && list.length === 0 && <p className="muted">None is kept yet.</p>}
      <ol className="releases" aria-label="Backups that are kept">
        {(all ? list : list.slice(0, COMMON)).map((one) => (
          <li key={one.name} className="card release backup">
            <div className="release-what">
              <strong>{LABELS[one.label] ?? one.label}</strong>
              <small className="muted">
                <code>{one.name}</code>
              </small>
            </div>
            <div className="release-who">
              <time dateTime={one.at} title={when(one.at)}>
                {ago(one.at, now)}
              </time>
              <small className="muted">{bytes(one.size_bytes)}</small>
            </div>
            <div className="row">
              {one.sealed ? (
                <Badge>sealed: shelf restore --key-file</Badge>
              ) : (
                <Button small disabled={busy} onClick={() => setRestoring(one)}>
                  Restore…
                </Button>
              )}
              <IconButton label="Delete this backup" disabled={busy} onClick={() => setDeleting(one)}>
                <Trash2 size={14} aria-hidden="true" />
              </IconButton>
            </div>
          </li>
        ))}
      </ol>
      {!all && list.length > COMMON && (
        <Button small onClick={() => setAll(true)}>{`All ${list.length} backups`}</Button>
      )}
      {restoring && <Restore app={app} backup={restoring} onClose={() => setRestoring(null)} />}
      {scheduling && (
        <ScheduleDialog app={app} schedule={data?.schedule ?? null} onClose={() => setScheduling(false)} />
      )}
      {deleting && <DeleteBackup app={app} backup={deleting} onClose={() => setDeleting(null)} />}
      {moving && <MoveDialog app={app} targets={targets} onClose={() => setMoving(false)} />}
      {copying && <Copy app={app} onClose={() => setCopying(false)} />}
    </section>
  );
}

function Restore({ app, backup, onClose }: { app: string; backup: Backup; onClose(): void }) {
  const [here, setHere] = useState(false);
  const [into, setInto] = useState(`${app}-then`.slice(0, 30));
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const now = useNow(10_000);
  const ready = here ? typed.trim() === app : isName(into) && into !== app;
  const restore = async () => {
    setBusy(true);
    const body = here ? { confirm: typed.trim() } : { into };
    const started = await startVerb(app, "restore", { backup: backup.name, ...body });
    setBusy(false);
    if (!started.ok) {
      toast(`Not restored: ${started.error.message}`, { tone: "bad" });
      return;
    }
    const where = here ? `--confirm ${app}` : `--as ${into}`;
    toast("The backup is being restored", { command: `shelf -a ${app} restore ${backup.name} ${where}` });
    onClose();
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Restore the backup of ${ago(backup.at, now)}`}
      actions={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button
            weight={here ? "danger" : "primary"}
            disabled={!ready || busy}
            onClick={() => void restore()}
          >
            {here ? "Replace the data" : "Make the new app"}
          </Button>
        </>
      }
    >
      <div className="stack">
        <fieldset className="undo-choice">
          <legend>Where it goes</legend>
          <label>
            <input type="radio" name="restore-where" checked={!here} onChange={() => setHere(false)} />
            <span>
              <b>A new app.</b> Code, wiring, secrets and data of then, beside this one, to look at.
            </span>
          </label>
          <label>
            <input type="radio" name="restore-where" checked={here} onChange={() => setHere(true)} />
            <span>
              <b>This app.</b> Its data is replaced by the data of then; a backup of what is there now is made
              first. Code and wiring stay.
            </span>
          </label>
        </fieldset>
        {here ? (
          <TextField
            label={`Type ${app}, because what was written since is replaced`}
            autoComplete="off"
            value={typed}
            onChange={setTyped}
          />
        ) : (
          <NewName label="Name of the new app" autoComplete="off" value={into} onChange={setInto} />
        )}
      </div>
    </Dialog>
  );
}

function Copy({ app, onClose }: { app: string; onClose(): void }) {
  const [into, setInto] = useState(`${app}-copy`.slice(0, 30));
  const [busy, setBusy] = useState(false);
  const copy = async () => {
    setBusy(true);
    const started = await startVerb(app, "copy", { into });
    setBusy(false);
    if (!started.ok) {
      toast(`Not copied: ${started.error.message}`, { tone: "bad" });
      return;
    }
    toast(`${into} is being made`, { command: `shelf -a ${app} copy --as ${into}` });
    onClose();
  };
  return (
    <Ask
      onClose={onClose}
      title={`Copy ${app}`}
      act="Copy it"
      onAct={copy}
      ready={!busy && isName(into) && into !== app}
    >
      <p>A second app with the code that runs and a copy of its data, at an address of its own.</p>
      <NewName label="Name of the new app" autoComplete="off" value={into} onChange={setInto} />
    </Ask>
  );
}
