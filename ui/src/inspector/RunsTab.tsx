// Each copy: its state, how often it restarted, where it runs; its log and a terminal in it.
import { ScrollText, SquareTerminal } from "lucide-react";
import type { Block, BlockStatus, Model, PodStatus } from "../api/types";
import { restart } from "../canvas/verbs";
import { useDrawers } from "../drawers/state";
import { Button, IconButton } from "../parts/Button";
import { Status } from "../parts/Status";
import { age, wordOf } from "../state/status";

const pods = (status: BlockStatus): PodStatus[] =>
  status.pods.map((it) =>
    typeof it === "string"
      ? { name: it, ready: status.state === "ready", restarts: 0, state: status.state }
      : it,
  );

function podWord(it: PodStatus) {
  if (it.ready) return "ready" as const;
  const word = wordOf(it.state.toLowerCase());
  return word === "draft" ? (it.reason ? ("failing" as const) : ("starting" as const)) : word;
}

export function RunsTab({
  app,
  block,
  status,
}: {
  app: string;
  model: Model;
  block: Block;
  status?: BlockStatus;
}) {
  const open = useDrawers((it) => it.open);
  if (!status || status.pods.length === 0) {
    return (
      <p className="tab-body muted small">
        {block.name}{" "}
        {status?.state === "stopped" ? "is stopped; its data stays." : "has not run yet. Go starts it."}
      </p>
    );
  }
  return (
    <div className="tab-body">
      <div className="row">
        <p className="grow small muted">{`${status.ready} of ${status.wanted} copies ready, ${status.restarts} restarts`}</p>
        <Button small onClick={() => void restart(app, block.name)}>
          Restart
        </Button>
      </div>
      <ul className="stack">
        {pods(status).map((it) => (
          <li key={it.name} className="inset">
            <div className="row">
              <Status word={podWord(it)} />
              <b className="grow mono small">{it.name}</b>
              <IconButton
                label={`Logs of ${it.name}`}
                onClick={() => open("logs", { block: block.name, pod: it.name })}
              >
                <ScrollText size={15} aria-hidden="true" />
              </IconButton>
              <IconButton
                label={`Terminal in ${it.name}`}
                onClick={() => open("terminal", { block: block.name, pod: it.name })}
              >
                <SquareTerminal size={15} aria-hidden="true" />
              </IconButton>
            </div>
            <p className="muted small">
              {[
                it.process,
                it.since && `for ${age(Date.now() - Date.parse(it.since))}`,
                it.restarts > 0 && `${it.restarts} restarts`,
                it.ip,
                it.node && `on ${it.node}`,
              ]
                .filter(Boolean)
                .join(" · ")}
            </p>
            {it.reason && !it.ready && <p className="bad-text">{it.reason}</p>}
          </li>
        ))}
      </ul>
    </div>
  );
}
