// A compose file becomes an app: chosen or pasted, reported on line by line by the server, and made only
// when asked. Where next: ../transfer/take.ts (how), ../transfer/ImportReport.tsx (what is said).
import { useState } from "react";
import { useLocation } from "wouter";
import type { Refusal } from "../api/client";
import { Ask } from "../parts/Ask";
import { Field } from "../parts/Field";
import { toast } from "../parts/Live";
import { to } from "../routes";
import { sentences } from "../state/edits";
import { ImportReport } from "../transfer/ImportReport";
import { makeFrom } from "../transfer/take";
import { useImport } from "../transfer/useImport";
import { nameOf, nameProblem } from "./NewApp";

const MOST_BYTES = 512 * 1024;

export function ComposeDialog(props: { taken: readonly string[]; onClose(): void }) {
  const [text, setText] = useState("");
  const [path, setPath] = useState("compose.yaml");
  const [env, setEnv] = useState<string | null>(null);
  const [wish, setWish] = useState("");
  const [dir, setDir] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Refusal | null>(null);
  const [, go] = useLocation();
  const asked = useImport({ text, path, files: env === null ? {} : { ".env": env } });
  const name = wish || nameOf(dir) || nameOf(asked.report?.app ?? "");
  const problem = nameProblem(name, props.taken);
  const folder = dir === "" || dir.startsWith("/");
  const ready = asked.report !== null && name !== "" && problem === null && folder && !busy;

  const read = async (files: FileList | null) => {
    for (const file of files ?? []) {
      if (file.size > MOST_BYTES) {
        toast(`${file.name} is larger than a compose file may be here`, { tone: "bad" });
        continue;
      }
      const content = await file.text();
      if (/\.env$|^\.env/.test(file.name)) setEnv(content);
      else {
        setPath(file.name);
        setText(content);
      }
    }
  };
  const make = async () => {
    if (!asked.report || !ready) return;
    setBusy(true);
    setFailed(null);
    // The proposed file carries the name it was asked for; the person's wish is the app's.
    const proposed = asked.report.text.replace(/^app\s*=\s*"[^"]*"/m, `app = "${name}"`);
    const made = await makeFrom(name, dir, proposed);
    setBusy(false);
    if (!made.ok) {
      setFailed(made.error);
      return;
    }
    props.onClose();
    go(to.canvas(made.value.name));
  };
  return (
    <Ask
      wide
      onClose={props.onClose}
      title="From a compose file"
      act={busy ? "Making it …" : "Make the app"}
      onAct={make}
      ready={ready}
    >
      <Field label="Choose compose.yaml, and its .env if it has one">
        {(field) => (
          <input {...field} type="file" multiple onChange={(event) => void read(event.target.files)} />
        )}
      </Field>
      <Field label="Or paste it">
        {(field) => (
          <textarea
            {...field}
            className="mono"
            rows={6}
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
            placeholder={"services:\n  db:\n    image: postgres:15\n  web:\n    build: ./web"}
          />
        )}
      </Field>
      {env !== null && <p className="muted small">Its .env is read along; passwords in it are not kept.</p>}
      {asked.error && (
        <p className="field-errors" role="alert">
          {sentences(asked.error).join(" ")}
        </p>
      )}
      {asked.busy && !asked.report && <p className="muted">Reading …</p>}
      {asked.report && (
        <>
          <ImportReport report={asked.report} />
          <Field label="Name of the app" errors={problem ? [problem] : []}>
            {(field) => (
              <input
                {...field}
                value={wish}
                placeholder={name}
                spellCheck={false}
                onChange={(event) => setWish(event.target.value)}
              />
            )}
          </Field>
          <Field
            label="Folder of the compose file (optional)"
            help="The whole path where the server runs, if services are built from folders beside it. Without one, the app gets a folder of its own."
            errors={folder ? [] : ["The whole path, beginning with /."]}
          >
            {(field) => (
              <input
                {...field}
                className="mono"
                value={dir}
                placeholder="/home/me/shop"
                spellCheck={false}
                onChange={(event) => setDir(event.target.value)}
              />
            )}
          </Field>
        </>
      )}
      {failed && (
        <p className="field-errors" role="alert">
          {sentences(failed).join(" ")}
        </p>
      )}
    </Ask>
  );
}
