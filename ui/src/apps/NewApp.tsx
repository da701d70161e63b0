// Makes an app: empty, from the example, or from a folder on the server's machine. What the server
// refuses is said at the field it is about.
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { post, type Refusal } from "../api/client";
import { client, keys } from "../api/queries";
import type { NewApp as From } from "../api/types";
import { Ask } from "../parts/Ask";
import { Field } from "../parts/Field";
import { to } from "../routes";

export type NewKind = "empty" | "example" | "folder";

const TITLES: Record<NewKind, string> = {
  empty: "A new app",
  example: "Try shop",
  folder: "Open a folder",
};
const NAME = /^[a-z][a-z0-9-]{0,29}$/;

/** Why a name cannot be an app's, or null. */
export function nameProblem(name: string, taken: readonly string[]): string | null {
  if (name === "") return null;
  if (!NAME.test(name)) return "Lower case letters, digits and -, a letter first, at most 30.";
  if (taken.includes(name)) return `There is an app ${name} here already.`;
  return null;
}

/** `/home/me/My Shop/` → `my-shop`. */
export function nameOf(dir: string): string {
  const last = dir.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return last
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 30);
}

export function NewApp(props: { kind: NewKind | null; taken: readonly string[]; onClose(): void }) {
  const { kind } = props;
  const [name, setName] = useState("");
  const [named, setNamed] = useState(false);
  const [dir, setDir] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refusal | null>(null);
  const [, go] = useLocation();
  useEffect(() => {
    setName(kind === "example" ? "shop" : "");
    setNamed(false);
    setDir("");
    setError(null);
  }, [kind]);
  const close = () => {
    setError(null);
    props.onClose();
  };
  const problem = nameProblem(name, props.taken);
  const ready = name !== "" && problem === null && (kind !== "folder" || dir.startsWith("/"));
  const make = async () => {
    if (!ready || kind === null) return;
    setBusy(true);
    setError(null);
    const from: From =
      kind === "empty" ? { empty: true } : kind === "example" ? { example: "shop" } : { dir };
    const answer = await post<{ name: string }>("/v1/apps", { name, from });
    setBusy(false);
    if (!answer.ok) {
      setError(answer.error);
      return;
    }
    void client.invalidateQueries({ queryKey: keys.apps });
    close();
    go(to.canvas(answer.value.name));
  };
  return (
    <Ask
      open={kind !== null}
      onClose={close}
      title={kind === null ? "" : TITLES[kind]}
      act={busy ? "Making it …" : kind === "folder" ? "Open" : "Make it"}
      onAct={make}
      ready={ready && !busy}
    >
      {kind === "example" && (
        <p>
          A shop with PostgreSQL, RabbitMQ, and a page and a worker from source. Nothing runs until you press
          Go.
        </p>
      )}
      {kind === "folder" && (
        <Field
          label="Folder"
          help="The whole path, on the machine where the server runs. If it has an app.toml, that is the app; otherwise one is written into it."
          errors={dir !== "" && !dir.startsWith("/") ? ["The whole path, beginning with /."] : []}
        >
          {(field) => (
            <input
              {...field}
              className="mono"
              autoComplete="off"
              spellCheck={false}
              placeholder="/home/me/shop"
              value={dir}
              onChange={(event) => {
                setDir(event.target.value);
                if (!named) setName(nameOf(event.target.value));
              }}
            />
          )}
        </Field>
      )}
      <Field
        label="Name of the app"
        help="Its namespace and the first part of its address."
        errors={problem === null ? [] : [problem]}
      >
        {(field) => (
          <input
            {...field}
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => {
              setNamed(true);
              setName(event.target.value);
            }}
          />
        )}
      </Field>
      {error !== null && (
        <div className="apps-refused" role="alert">
          <p>
            <strong>{error.message}</strong>
          </p>
          {error.why && <p>{error.why}</p>}
          {error.diagnostics.map((one, index) => (
            <p key={index}>
              line {one.line}: {one.message}
            </p>
          ))}
          {error.hint && <p>{error.hint}</p>}
        </div>
      )}
    </Ask>
  );
}
