// What Go would do, with consequences instead of YAML, and who wants it: each staged change has a tick
// box, other people's are off at first. Ctrl+Enter goes. Where next: ticks.ts, view.ts, ../go/GoPanel.tsx.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { AlertTriangle, Clock, Globe, HardDrive, Package, Rocket, RotateCw, Undo2 } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import { appPath, get, post, Refusal, wanted } from "../api/client";
import { client, keys, queries } from "../api/queries";
import { onTarget } from "../api/target";
import type { Diagnostic, Edited, PlanReport } from "../api/types";
import { GoPanel } from "../go/GoPanel";
import { startGo, useOperation } from "../go/operations";
import { Button } from "../parts/Button";
import { Empty, Loading, Problem } from "../parts/Empty";
import { announce, toast } from "../parts/Live";
import { Badge } from "../parts/Status";
import { to } from "../routes";
import { inOrder, useEdits } from "../state/edits";
import { useLive } from "../state/live";
import { useNow } from "../system/useNow";
import { ago, count } from "../system/words";
import "./plan.css";
import {
  BY_FILE,
  byAuthor,
  chosen,
  draftWords,
  type Staged,
  type Ticks,
  tick,
  tickAll,
  ticked,
} from "./ticks";
import { addresses, blockLines, duration, type Line, movedTags, restarts, sum, wireLines } from "./view";

export function PlanPage({ app }: { app: string }) {
  const model = useQuery(queries.model(app));
  const me = useQuery(queries.me());
  const [ticks, setTicks] = useState<Ticks>(new Map());
  const [starting, setStarting] = useState(false);
  const operation = useOperation(app);
  const connected = useLive((state) => state.connected);
  const changes: readonly Staged[] = useMemo(() => model.data?.changes ?? [], [model.data]);
  const ids = chosen(changes, ticks);
  const running = operation?.running === true;
  const onTheirWay = useEdits((state) => state.onTheirWay > 0);
  const plan = useQuery({
    queryKey: [...keys.plan(app, ids ?? "all"), model.data?.revision],
    // In the middle of a Go a plan would tell of what is half done; before an edit has its answer, of
    // less than what the person did.
    enabled: model.data !== undefined && !running && !onTheirWay,
    placeholderData: keepPreviousData,
    staleTime: 5_000,
    queryFn: () => wanted(post<PlanReport>(appPath(app, "/plan"), ids === undefined ? {} : { changes: ids })),
  });

  const guarded = me.data?.target.protected === true;
  const nothing = plan.data !== undefined && !plan.data.has_changes;
  const refusal = plan.error instanceof Refusal ? plan.error : null;
  const why = running
    ? `${operation?.verb} is under way`
    : !connected
      ? "the server cannot be reached"
      : refusal !== null
        ? "the app is not right yet"
        : plan.data === undefined || plan.isPlaceholderData || onTheirWay
          ? "the plan is being made"
          : null;

  const send = async () => {
    setStarting(true);
    const started = await startGo(app, ids);
    setStarting(false);
    if (!started.ok) toast(`Go was refused: ${started.error.message}`, { tone: "bad" });
    else window.scrollTo({ top: 0 });
  };
  const press = () => {
    if (why !== null) announce(`Go waits: ${why}`);
    if (why !== null || starting) return;
    void send();
  };
  const pressed = useRef(press);
  pressed.current = press;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      pressed.current();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  if (model.error && !model.data) {
    return (
      <Problem error={model.error} what={`${app} could not be read`} retry={() => void model.refetch()} />
    );
  }
  return (
    <div className="page plan-page">
      <div className="page-inner">
        <header className="plan-head">
          <div>
            <h1>Plan</h1>
            <p className="muted">
              {[changes.length > 0 ? draftWords(changes) : "", plan.data ? sum(plan.data.changes) : ""]
                .filter(Boolean)
                .join(" · ")}
            </p>
          </div>
          <div className="plan-go">
            <Button
              weight="primary"
              icon={<Rocket size={16} aria-hidden="true" />}
              shortcut="Ctrl+Enter"
              data-go
              disabled={why !== null || starting}
              aria-describedby="plan-why"
              onClick={press}
            >
              {starting ? "Going …" : "Go"}
            </Button>
            <p id="plan-why" className="muted">
              {why ??
                (guarded
                  ? `${me.data?.target.name} is protected: its name is asked for`
                  : nothing
                    ? "nothing to change; it only makes sure that all is up"
                    : `on ${me.data?.target.name ?? "this machine"}`)}
            </p>
          </div>
        </header>
        <GoPanel app={app} place="page" />
        {running ? null : (
          <div
            className={`plan-columns ${plan.isPlaceholderData && !plan.error ? "aging" : ""}`}
            aria-busy={plan.isFetching}
          >
            <div className="plan-main">
              {refusal !== null ? (
                <Wrong
                  app={app}
                  error={refusal}
                  retry={() => void plan.refetch()}
                  all={
                    refusal.code === "edit/stale" && ids !== undefined && ids.length < changes.length
                      ? () => setTicks(new Map(changes.map((it) => [it.id, true])))
                      : undefined
                  }
                />
              ) : plan.error ? (
                <Problem
                  error={plan.error}
                  what="The plan could not be made"
                  retry={() => void plan.refetch()}
                />
              ) : plan.data === undefined ? (
                <Loading what="the plan" lines={6} />
              ) : (
                <>
                  <What plan={plan.data} nothing={nothing} />
                  <Consequences app={app} plan={plan.data} />
                  <Objects app={app} plan={plan.data} ids={ids} revision={model.data?.revision ?? ""} />
                </>
              )}
            </div>
            {/* Also beside a refusal: which changes go along may be what is wrong. */}
            {model.data !== undefined && (
              <Draft
                app={app}
                changes={changes}
                ticks={ticks}
                onTicks={setTicks}
                undo={model.data.history.undo}
              />
            )}
          </div>
        )}
      </div>
    </div>
  );
}

function What({ plan, nothing }: { plan: PlanReport; nothing: boolean }) {
  if (plan.changes.length === 0) {
    return (
      <Empty title="The app has no blocks yet">
        Add one on the canvas; then there is something to go with.
      </Empty>
    );
  }
  const blocks = blockLines(plan.changes);
  const wires = wireLines(plan.lines);
  return (
    <section className="card plan-card" aria-labelledby="plan-what">
      <h2 id="plan-what">What happens</h2>
      {blocks.length === 0 && (
        <p>
          {nothing ? "Nothing: what runs is what the file says." : (otherLine(plan) ?? "No block changes.")}
        </p>
      )}
      {blocks.length > 0 && <Lines lines={blocks} />}
      {wires.length > 0 && (
        <>
          <h3>Wires</h3>
          <Lines lines={wires} />
        </>
      )}
    </section>
  );
}

/** What the plan says besides blocks and wires: secrets completed, an app that starts again. */
function otherLine(plan: PlanReport): string | null {
  const line = plan.lines.find((one) => /^~ (it is|secrets)/.test(one));
  return line === undefined ? null : line.slice(2);
}

function Lines({ lines }: { lines: readonly Line[] }) {
  return (
    <ul className="plan-lines">
      {lines.map((line) => (
        <li key={`${line.word} ${line.subject}`} className={line.word}>
          <span className="plan-mark" aria-hidden="true">
            {line.mark}
          </span>
          <span className="plan-word">{line.word}</span>
          <strong>{line.subject}</strong>
          <span className="plan-text">{line.text}</span>
          {line.restarts && line.word === "changed" && <Badge tone="warn">restarts</Badge>}
        </li>
      ))}
    </ul>
  );
}

function Consequences({ app, plan }: { app: string; plan: PlanReport }) {
  const status = useQuery({ ...queries.status(app), retry: false });
  const releases = useQuery(queries.releases(app));
  const risk = plan.data_at_risk;
  const moved = movedTags(plan);
  return (
    <section className="card plan-card" aria-labelledby="plan-means">
      <h2 id="plan-means">What it means</h2>
      <dl className="plan-facts">
        <Fact icon={<RotateCw size={15} />} name="Restarts">
          {restarts(plan.changes)}
        </Fact>
        <Fact icon={<HardDrive size={15} />} name="Data at risk" bad={risk.length > 0}>
          {risk.length === 0 ? "None. Go never deletes data." : risk.map((one) => <p key={one}>{one}</p>)}
        </Fact>
        <Fact icon={<Globe size={15} />} name="Address">
          {addresses(plan, status.data)}
        </Fact>
        <Fact icon={<Clock size={15} />} name="Time">
          {duration(plan, releases.data ?? [])}
        </Fact>
        {moved.length > 0 && (
          <Fact icon={<Package size={15} />} name="Tags that moved" bad>
            {moved.map((one) => (
              <p key={one}>{one}</p>
            ))}
            <p>
              Go keeps what is pinned; take it: <code>{onTarget("shelf go --pull")}</code>
            </p>
          </Fact>
        )}
        <Fact icon={<AlertTriangle size={15} />} name="Taken for granted">
          {plan.assumptions.length === 0 ? (
            "Nothing."
          ) : (
            <ul className="plan-assumes">
              {plan.assumptions.map((one) => (
                <li key={one}>{one}</li>
              ))}
            </ul>
          )}
        </Fact>
      </dl>
    </section>
  );
}

function Fact(props: { icon: ReactNode; name: string; bad?: boolean; children: ReactNode }) {
  return (
    <div className={props.bad ? "bad" : ""}>
      <dt>
        <span aria-hidden="true">{props.icon}</span>
        {props.name}
      </dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function Objects(props: { app: string; plan: PlanReport; ids: string[] | undefined; revision: string }) {
  const [open, setOpen] = useState(false);
  const query = props.ids === undefined ? "" : `?changes=${props.ids.map(encodeURIComponent).join(",")}`;
  const objects = useQuery({
    queryKey: ["app", props.app, "objects", query, props.revision],
    enabled: open,
    queryFn: ({ signal }) => wanted(get<{ yaml: string }>(appPath(props.app, `/objects${query}`), signal)),
  });
  return (
    <details className="card plan-card plan-objects" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{count(props.plan.object_count, "Kubernetes object")}</h2>
        <span className="muted">as YAML</span>
      </summary>
      {objects.error ? (
        <Problem
          error={objects.error}
          what="The objects could not be written out"
          retry={() => void objects.refetch()}
        />
      ) : objects.data === undefined ? (
        <Loading what="the objects" />
      ) : (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys */}
          <pre className="plan-yaml" tabIndex={0} role="region" aria-label="Objects as YAML">
            {objects.data.yaml}
          </pre>
          <Button
            small
            onClick={() =>
              void navigator.clipboard.writeText(objects.data.yaml).then(
                () => toast("The objects are copied"),
                () => toast("The browser did not allow copying", { tone: "bad" }),
              )
            }
          >
            Copy
          </Button>
        </>
      )}
    </details>
  );
}

function Draft(props: {
  app: string;
  changes: readonly Staged[];
  ticks: Ticks;
  onTicks(ticks: Ticks): void;
  undo: string | null;
}) {
  const now = useNow(10_000);
  const groups = byAuthor(props.changes);
  return (
    <section className="card plan-card plan-draft" aria-labelledby="plan-draft">
      <h2 id="plan-draft">Draft</h2>
      {groups.length === 0 && (
        <p className="muted">
          No edit waits to be chosen here. Source code that changed goes along by itself.
        </p>
      )}
      {groups.map((group) => {
        const on = group.changes.filter((change) => ticked(change, props.ticks)).length;
        return (
          <fieldset key={group.by} className="plan-author">
            <legend>
              {group.mine ? "Yours" : group.by === BY_FILE ? "In the file" : group.by}
              <button
                type="button"
                className="plan-all"
                onClick={() =>
                  props.onTicks(tickAll(props.changes, props.ticks, group.by, on < group.changes.length))
                }
              >
                {on === group.changes.length ? "none" : "all"}
                <span className="spoken">
                  {" "}
                  of {group.mine ? "your changes" : `the changes of ${group.by}`}
                </span>
              </button>
            </legend>
            {!group.mine && group.by !== BY_FILE && on === 0 && (
              <p className="muted small">Off, because they are not yours. Tick what should go along.</p>
            )}
            {group.changes.map((change) => (
              <label key={change.id} className="plan-change">
                <input
                  type="checkbox"
                  checked={ticked(change, props.ticks)}
                  onChange={(event) => props.onTicks(tick(props.ticks, change.id, event.target.checked))}
                />
                <span>
                  <span>{change.summary}</span>
                  {change.command && <code>{change.command}</code>}
                  {change.at && <small className="muted">{ago(change.at, now)}</small>}
                </span>
              </label>
            ))}
          </fieldset>
        );
      })}
      {props.undo !== null && (
        <Button
          small
          icon={<Undo2 size={14} aria-hidden="true" />}
          onClick={async () => {
            const answer = await inOrder(() => post<Edited>(appPath(props.app, "/undo")));
            if (!answer.ok) toast(`Not undone: ${answer.error.message}`, { tone: "bad" });
            else {
              client.setQueryData(keys.model(props.app), answer.value.model);
              toast(`Undone: ${answer.value.summary}`, { command: answer.value.command });
            }
          }}
        >
          {`Discard the last: ${props.undo}`}
        </Button>
      )}
      <p>
        <Link href={to.canvas(props.app)}>Back to the canvas</Link>
      </p>
    </section>
  );
}

function Wrong({ app, error, retry, all }: { app: string; error: Refusal; retry(): void; all?(): void }) {
  if (all !== undefined) {
    return (
      <section className="card plan-card plan-wrong" role="alert" aria-labelledby="plan-wrong">
        <h2 id="plan-wrong">These changes do not stand alone</h2>
        <p>{error.message}.</p>
        <p>Tick what they stand on in the draft, or take everything along.</p>
        <Button onClick={all}>Take everything along</Button>
      </section>
    );
  }
  if (error.diagnostics.length === 0) return <Problem error={error} what="There is no plan" retry={retry} />;
  return (
    <section className="card plan-card plan-wrong" role="alert" aria-labelledby="plan-wrong">
      <h2 id="plan-wrong">{count(error.diagnostics.length, "thing")} to put right before Go</h2>
      <ul>
        {error.diagnostics.map((one, index) => (
          <DiagnosticLine key={index} app={app} diagnostic={one} />
        ))}
      </ul>
    </section>
  );
}

/** One thing that is wrong: where, both sides' values, what to try. */
export function DiagnosticLine({ app, diagnostic }: { app: string; diagnostic: Diagnostic }) {
  return (
    <li className="diagnostic">
      <p>
        <Link href={`${to.file(app)}?line=${diagnostic.line}`}>line {diagnostic.line}</Link>
        {": "}
        <strong>{diagnostic.message}</strong> <code className="muted">{diagnostic.code}</code>
      </p>
      {diagnostic.sides.length > 0 && (
        <dl>
          {diagnostic.sides.map((side) => (
            <div key={side.label}>
              <dt>{side.label}</dt>
              <dd>{side.value}</dd>
            </div>
          ))}
        </dl>
      )}
      {diagnostic.help.map((help) => (
        <p key={help.text} className="diagnostic-help">
          {help.text}
          {help.command ? (
            <>
              {": "}
              <code>{help.command}</code>
            </>
          ) : null}
        </p>
      ))}
    </li>
  );
}
