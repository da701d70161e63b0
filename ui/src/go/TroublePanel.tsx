// What a person needs to see for the trouble at hand: who holds the port, what the registry said, what
// fills the disk, which fact the target lacks, which right is missing. Where next: trouble.ts.
import { useQuery } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { Inert } from "../drawers/EventsPane";
import { Button } from "../parts/Button";
import { toast } from "../parts/Live";
import { to } from "../routes";
import { type InspectorTab, useCanvas } from "../state/canvas";
import { bytes } from "../system/words";
import { type Trouble, usesOf } from "./trouble";
import "./trouble.css";

const MOST_ROWS = 6;

function Command({ text }: { text: string }) {
  return (
    <p className="trouble-command">
      <code>{text}</code>
      <Button
        small
        onClick={() =>
          void navigator.clipboard.writeText(text).then(
            () => toast("The command is copied"),
            () => toast("The browser did not allow copying", { tone: "bad" }),
          )
        }
      >
        Copy
      </Button>
    </p>
  );
}

interface Props {
  app: string;
  trouble: Trouble;
  block: string | null;
  model: Model | undefined;
}

export function TroublePanel(props: Props) {
  const titles: Record<Trouble["kind"], string> = {
    port: "The port is taken",
    image:
      props.trouble.kind === "image" && props.trouble.rights
        ? "No right to the image"
        : "The image is not there",
    disk: "The disk is full",
    memory: "Out of memory",
    target: "The target lacks something",
    right: "Not allowed",
  };
  return (
    <section className="trouble" aria-label={titles[props.trouble.kind]}>
      <h3>{titles[props.trouble.kind]}</h3>
      <What {...props} />
    </section>
  );
}

function What(props: Props) {
  switch (props.trouble.kind) {
    case "port":
      return <Port {...props} port={props.trouble.port} />;
    case "image":
      return <Image {...props} trouble={props.trouble} />;
    case "disk":
      return <Disk />;
    case "memory":
      return <Memory {...props} />;
    case "target":
      return <Lacks {...props} lacks={props.trouble.lacks} />;
    case "right":
      return <Right {...props} trouble={props.trouble} />;
  }
}

function useShow(app: string) {
  const [, go] = useLocation();
  return (block: string, tab: InspectorTab) => {
    useCanvas.getState().select([block]);
    useCanvas.getState().openInspector(tab);
    useCanvas.getState().centre(block);
    go(to.canvas(app));
  };
}

function Port({ app, port, block, model }: Props & { port: number | null }) {
  const [, go] = useLocation();
  const it = model?.blocks.find((one) => one.name === block);
  const holders = it?.processes.filter((one) => port !== null && one.port === port) ?? [];
  return (
    <>
      <p>
        {port === null ? "A port" : `Port ${port}`} is held by another process
        {block ? ` in the same copy of ${block}` : ""}: each copy has a network of its own, so it is none of
        another block.
        {holders.length > 0 && ` The file gives it to ${holders.map((one) => one.name).join(" and ")}.`}
      </p>
      <p className="muted">
        Let the program listen on another port{port !== null && `, for example ${port + 1}`}, and say the same
        in the file; or look who holds it in a terminal of the copy.
      </p>
      <div className="row">
        <Button small onClick={() => go(`${to.file(app)}?line=${it?.line ?? 1}`)}>
          Set the port in the file
        </Button>
      </div>
    </>
  );
}

function Image({ trouble }: Props & { trouble: Extract<Trouble, { kind: "image" }> }) {
  const system = useQuery(queries.system());
  const plain = trouble.image
    ?.replace(/(:[^/]*|@.*)$/, "")
    .split("/")
    .at(-1);
  const near = (system.data?.images ?? [])
    .flatMap((one) => one.names ?? [])
    .filter(
      (name) =>
        plain &&
        name
          .replace(/:[^/]*$/, "")
          .split("/")
          .at(-1) === plain,
    )
    .slice(0, MOST_ROWS);
  return (
    <>
      {trouble.asked && (
        <p>
          {trouble.host ?? "The registry"} answered: <Inert text={trouble.answer} />
        </p>
      )}
      {near.length > 0 ? (
        <p>
          Of this name there are here:{" "}
          {near.map((name) => (
            <code key={name}>{name} </code>
          ))}
        </p>
      ) : (
        trouble.image && (
          <p className="muted">
            Nothing by the name of <code>{plain}</code> is in the store here either. Check the name and the
            tag.
          </p>
        )
      )}
      {trouble.rights && trouble.host && (
        <>
          <p>Log in where the server runs; the next Go uses it:</p>
          <Command text={`shelf login ${trouble.host}`} />
        </>
      )}
    </>
  );
}

function Disk() {
  const system = useQuery(queries.system());
  const [, go] = useLocation();
  if (!system.data) return <p className="muted">Asking what uses it …</p>;
  const used = usesOf(system.data);
  const spare = used.filter((one) => one.free !== null).reduce((sum, one) => sum + one.bytes, 0);
  return (
    <>
      <p>
        What uses it, the largest first.{" "}
        {spare > 0
          ? `${bytes(spare)} of it can go without losing data.`
          : "None of it can go without a loss."}
      </p>
      <table className="trouble-table">
        <tbody>
          {used.slice(0, MOST_ROWS).map((one) => (
            <tr key={one.what}>
              <th scope="row">{one.what}</th>
              <td>{bytes(one.bytes)}</td>
              <td>{one.free ? `can go: ${one.free}` : "in use"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div className="row">
        <Button small onClick={() => go(to.system())}>
          All of it
        </Button>
      </div>
    </>
  );
}

function Memory({ app, block, model }: Props) {
  const metrics = useQuery({ ...queries.metrics(app), retry: false });
  const system = useQuery(queries.system());
  const show = useShow(app);
  const last = Object.entries(metrics.data?.points.at(-1)?.blocks ?? {})
    .map(([name, one]) => ({ name, memory: one.memory_bytes ?? 0 }))
    .sort((a, b) => b.memory - a.memory);
  const it = model?.blocks.find((one) => one.name === block);
  const limit = it?.settings.find((one) => one.name === "memory");
  const left = system.data?.machine.memory_available_bytes;
  return (
    <>
      <p>
        {block ?? "A block"} used more memory than it may
        {limit ? `: its limit is ${limit.value}` : ""}.
        {typeof left === "number" && ` The machine has ${bytes(left)} left.`}
      </p>
      {last.length > 0 && (
        <table className="trouble-table">
          <tbody>
            {last.slice(0, MOST_ROWS).map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td>{bytes(one.memory)}</td>
                <td>{one.name === block ? "this block" : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {block && (
        <div className="row">
          <Button small onClick={() => show(block, "settings")}>{`Give ${block} more`}</Button>
        </div>
      )}
    </>
  );
}

function Lacks({ app, lacks, model }: Props & { lacks: string }) {
  const show = useShow(app);
  const broken = (model?.blocks ?? []).flatMap((block) =>
    block.assumptions.filter((one) => one.state === "broken").map((one) => ({ block: block.name, ...one })),
  );
  return (
    <>
      <p>{lacks}</p>
      {broken.length > 0 && (
        <ul className="trouble-list">
          {broken.map((one) => (
            <li key={`${one.block} ${one.name}`}>
              <b>{one.block}</b> takes for granted: {one.says}
              {one.because && ` Here: ${one.because}.`}
              <Button small onClick={() => show(one.block, "assumptions")}>
                {one.if_not}
              </Button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Right({ trouble }: Props & { trouble: Extract<Trouble, { kind: "right" }> }) {
  const me = useQuery(queries.me()).data;
  return (
    <>
      <p>
        Missing is the right to <b>{trouble.verb}</b> <b>{trouble.what}</b>
        {trouble.where && ` in ${trouble.where}`} on {me?.target.name ?? "the target"}
        {trouble.who && `, for ${trouble.who}`}.
      </p>
      <p className="muted">Whoever administers the target can give it, for example with:</p>
      <Command
        text={`kubectl create rolebinding shelf-${trouble.what} --clusterrole=edit --user=${trouble.who ?? "NAME"}${trouble.where ? ` -n ${trouble.where}` : ""}`}
      />
    </>
  );
}
