// The app in the bar at the top: its state, its address, the drafts of each person, Go.
import { useQuery } from "@tanstack/react-query";
import { ExternalLink, Play, Square } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { post } from "../api/client";
import { queries } from "../api/queries";
import type { Change, Me } from "../api/types";
import { useOperation } from "../go/operations";
import { goWithMine } from "../go/withMine";
import { Button } from "../parts/Button";
import { toast } from "../parts/Live";
import { Status } from "../parts/Status";
import { Tip } from "../parts/Tip";
import { to } from "../routes";
import { sentences } from "../state/edits";
import { useLive } from "../state/live";
import { wordOf } from "../state/status";
import { isBroken } from "../state/validity";

/** "3 changes · yours 2, Ana 1". */
export function draftText(changes: Pick<Change, "by" | "mine">[]): string {
  if (changes.length === 0) return "no changes";
  const total = changes.length === 1 ? "1 change" : `${changes.length} changes`;
  const mine = changes.filter((it) => it.mine).length;
  const others = new Map<string, number>();
  for (const it of changes) if (!it.mine) others.set(it.by, (others.get(it.by) ?? 0) + 1);
  if (others.size === 0) return total;
  const parts = [
    mine > 0 ? `yours ${mine}` : "",
    ...[...others].map(([name, count]) => `${name.split(" ")[0]} ${count}`),
  ];
  return `${total} · ${parts.filter(Boolean).join(", ")}`;
}

export function AppActions({ app, me }: { app: string; me: Me }) {
  const { data: model } = useQuery(queries.model(app));
  const { data: status } = useQuery(queries.status(app));
  const operation = useOperation(app);
  const connected = useLive((it) => it.connected);
  const [at, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  if (!model) return null;
  const running = operation?.running === true;
  const why = !connected
    ? "The server does not answer"
    : isBroken(model)
      ? "app.toml cannot be read; repair it first"
      : model.blocks.length === 0
        ? "There is nothing to start yet"
        : null;
  const url = status?.url ?? model.url;
  const go = async () => {
    // What changes on a protected target is seen first.
    if (me.target.protected && at !== to.plan(app)) {
      navigate(to.plan(app));
      return;
    }
    setAsking(true);
    const answer = await goWithMine(app);
    setAsking(false);
    if (answer === null) return;
    if (!answer.ok) {
      toast(sentences(answer.error).join(" "), {
        tone: "bad",
        action: { label: "Plan", run: () => navigate(to.plan(app)) },
      });
    } else if (at !== to.canvas(app)) navigate(to.canvas(app));
  };
  return (
    <div className="app-actions" data-region="header">
      {status && status.blocks.length > 0 && <Status word={wordOf(status.state)} />}
      {url && (
        <a className="app-url" href={url} target="_blank" rel="noreferrer">
          {url.replace(/^https?:\/\//, "")}
          <ExternalLink size={12} aria-hidden="true" />
        </a>
      )}
      {model.changes.length > 0 && (
        <Link className="drafts" href={to.plan(app)}>
          {draftText(model.changes)}
        </Link>
      )}
      {running ? (
        <Button
          icon={<Square size={13} aria-hidden="true" />}
          onClick={() => void post(`/v1/operations/${encodeURIComponent(operation.id)}/cancel`)}
        >{`Stop ${operation.verb}`}</Button>
      ) : (
        <Tip text={why ?? "Make it so: build, start, wire. Ctrl+Enter shows the plan first."}>
          <Button
            weight="primary"
            className="go-button"
            icon={<Play size={14} fill="currentColor" aria-hidden="true" />}
            aria-disabled={why !== null}
            disabled={asking}
            onClick={() => (why ? toast(`${why}.`, { tone: "bad" }) : void go())}
          >
            Go
          </Button>
        </Tip>
      )}
    </div>
  );
}
