// The machine and what the server does with it: use, nodes, images, disks, the way in, where to read.
import { useQuery } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { remove } from "../api/client";
import { client, queries } from "../api/queries";
import type { SystemReport } from "../api/types";
import { Button } from "../parts/Button";
import { Loading, Problem } from "../parts/Empty";
import { toast } from "../parts/Live";
import { Badge } from "../parts/Status";
import { to } from "../routes";
import { type Fact, facts, share, sizeOf } from "./facts";
import "./system.css";
import { useNow } from "./useNow";
import { ago, bytes, count } from "./words";

export function SystemPage() {
  const system = useQuery({ ...queries.system(), refetchInterval: 15_000 });
  const me = useQuery(queries.me());
  if (system.error && !system.data) {
    return (
      <Problem
        error={system.error}
        what="The machine could not be read"
        retry={() => void system.refetch()}
      />
    );
  }
  if (system.data === undefined) return <Loading what="the machine" lines={8} />;
  const { machine, server, nodes, images, disks, data } = system.data;
  return (
    <div className="page">
      <div className="page-inner">
        <header className="system-head">
          <h1>System</h1>
          <p className="muted">
            {count(machine.cpus, "core")}, {bytes(machine.memory_bytes)} memory
          </p>
        </header>
        <div className="system-grid">
          <Section title="Machine">
            <Facts facts={facts(machine)} />
          </Section>
          <Section title="Server">
            <Facts facts={facts(server)} />
          </Section>
          <Section title="Disk use of the server">
            <Facts facts={facts(data, true)} />
          </Section>
          <Section title="You">
            <Facts
              facts={[
                { name: "Name", value: me.data?.person.name ?? "–" },
                { name: "Target", value: me.data?.target.name ?? "–" },
                { name: "Version", value: me.data?.version ?? "–" },
              ]}
            />
            <p className="muted small">
              Another browser or person gets in with a link from <code>shelf open</code>, made where the
              server runs.
            </p>
            <Button
              small
              icon={<LogOut size={14} aria-hidden="true" />}
              onClick={async () => {
                const answer = await remove<void>("/v1/session");
                if (answer.ok) {
                  client.clear();
                  location.assign("/");
                } else toast(`Still signed in: ${answer.error.message}`, { tone: "bad" });
              }}
            >
              Sign out of this browser
            </Button>
          </Section>
        </div>
        <Browsers />
        <Nodes nodes={nodes} />
        <Disks disks={disks} />
        <Images images={images} />
        <Docs />
      </div>
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card system-card" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Facts({ facts: list }: { facts: readonly Fact[] }) {
  if (list.length === 0) return <p className="muted">Not told.</p>;
  return (
    <dl className="system-facts">
      {list.map((fact) => (
        <div key={fact.name}>
          <dt>{fact.name}</dt>
          <dd>{fact.value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Table(props: {
  title: string;
  none: string;
  heads: readonly string[];
  rows: readonly ReactNode[][];
}) {
  return (
    <section className="card system-card wide" aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.rows.length === 0 ? (
        <p className="muted">{props.none}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
        <div className="system-scroll" role="region" aria-label={`${props.title}, table`} tabIndex={0}>
          <table className="system-table">
            <thead>
              <tr>
                {props.heads.map((head) => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {props.rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, at) =>
                    at === 0 ? (
                      <th key={at} scope="row">
                        {cell}
                      </th>
                    ) : (
                      <td key={at}>{cell}</td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Ready({ ready }: { ready: unknown }) {
  if (ready === undefined) return "–";
  return ready === true ? <Badge tone="good">ready</Badge> : <Badge tone="bad">not ready</Badge>;
}

/** Who may use this canvas; each browser can be shut out on its own. */
function Browsers() {
  const sessions = useQuery(queries.sessions());
  const now = useNow(30_000);
  const rows = (sessions.data ?? []).map((one) => [
    one.here ? `${one.name} (this browser)` : one.name,
    `opened ${ago(one.made_at, now)}`,
    `used ${ago(one.used_at, now)}`,
    one.here ? (
      "–"
    ) : (
      <Button
        key="end"
        small
        aria-label={`End the session of ${one.name}, opened ${ago(one.made_at, now)}`}
        onClick={async () => {
          const answer = await remove<void>(`/v1/sessions/${encodeURIComponent(one.id)}`);
          if (!answer.ok) toast(`Still signed in: ${answer.error.message}`, { tone: "bad" });
          void sessions.refetch();
        }}
      >
        End
      </Button>
    ),
  ]);
  return (
    <Table
      title="Browsers that are let in"
      none={sessions.error ? "They could not be listed." : "None."}
      heads={["Person", "Opened", "Last used", "End"]}
      rows={rows}
    />
  );
}

function Nodes({ nodes }: { nodes: SystemReport["nodes"] }) {
  const rows = nodes.map((node) => {
    const { name, ready, ...rest } = node;
    return [
      String(name ?? "node"),
      <Ready key="ready" ready={ready} />,
      facts(rest)
        .map((fact) => `${fact.name.toLowerCase()} ${fact.value}`)
        .join(" · ") || "–",
    ];
  });
  return (
    <Table
      title="Nodes"
      none="No node has told of itself yet."
      heads={["Name", "State", "What it has"]}
      rows={rows}
    />
  );
}

function Disks({ disks }: { disks: SystemReport["disks"] }) {
  const rows = disks.map((disk) => [
    <Link key="app" href={to.canvas(disk.app)}>
      {disk.app}
    </Link>,
    disk.block,
    disk.disk,
    <Use key="use" used={disk.used_bytes ?? null} size={disk.size} />,
  ]);
  return (
    <Table title="Disks" none="No block has a disk." heads={["App", "Block", "Disk", "Used"]} rows={rows} />
  );
}

function Use({ used, size }: { used: number | null; size: string }) {
  const of = share(used, sizeOf(size));
  if (used === null) return <>of {size}, use not told</>;
  return (
    <span className="system-use">
      <span className={`system-bar ${of !== null && of > 0.85 ? "full" : ""}`} aria-hidden="true">
        <span style={{ width: `${Math.round((of ?? 0) * 100)}%` }} />
      </span>
      <span>
        {bytes(used)} of {size}
        {of !== null && of > 0.85 && <strong> nearly full</strong>}
      </span>
    </span>
  );
}

function Images({ images }: { images: SystemReport["images"] }) {
  const sorted = [...images].sort((a, b) => (b.size_bytes ?? 0) - (a.size_bytes ?? 0));
  const sum = sorted.reduce((all, one) => all + (one.size_bytes ?? 0), 0);
  const rows = sorted.map((one) => [
    one.names?.join(", ") || one.name || "no name",
    <code key="digest">{one.digest?.replace(/^(sha256:.{12}).*$/, "$1") ?? "–"}</code>,
    one.size_bytes === undefined ? "–" : bytes(one.size_bytes),
  ]);
  return (
    <Table
      title={`Images${sum > 0 ? `, ${bytes(sum)} with shared layers counted each time` : ""}`}
      none="No image is here yet; the first Go makes them."
      heads={["Name", "Digest", "Size"]}
      rows={rows}
    />
  );
}

function Docs() {
  return (
    <section className="card system-card wide" aria-label="Where to read">
      <h2>Where to read</h2>
      <ul className="system-docs">
        <li>
          <code>shelf help</code> all commands and topics, in the terminal
        </li>
        <li>
          <code>docs/guide/app-language.md</code> every key of app.toml
        </li>
        <li>
          <code>docs/tour.md</code> how it is built, in fifteen files
        </li>
        <li>
          <Link href={to.catalogue()}>Modules</Link> what is on the shelf
        </li>
        <li>
          <code>shelf kubectl get pods -A</code> the same apps as Kubernetes sees them
        </li>
      </ul>
    </section>
  );
}
