// The app as files for somewhere else: what they are and what they want is said, then they are fetched.
// Where next: crates/apps/src/export.rs.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { appPath, post, wanted } from "../api/client";
import { keys } from "../api/queries";
import { onTarget, withTarget } from "../api/target";
import type { ExportReport } from "../api/types";
import { startVerb } from "../go/operations";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { toast } from "../parts/Live";
import { TextField } from "../parts/TextField";
import { navigate, to } from "../routes";
import { list } from "../system/words";

const KINDS = [
  ["yaml", "Kubernetes objects, for kubectl and kustomize"],
  ["helm", "A chart, for Helm"],
  ["compose", "A file for Docker Compose"],
  ["pack", "One file with its images, which runs without a network"],
] as const;

export function ExportDialog({ app, onClose }: { app: string; onClose(): void }) {
  const [kind, setKind] = useState<(typeof KINDS)[number][0]>("yaml");
  const [registry, setRegistry] = useState("");
  const [url, setUrl] = useState("");
  const wish: Record<string, string> = { kind };
  if (registry.trim() !== "" && kind !== "compose") wish.registry = registry.trim();
  if (url.trim() !== "") wish.url = url.trim();
  const packs = kind === "pack";
  const pack = async () => {
    const started = await startVerb(app, "pack");
    if (!started.ok) {
      toast(`${app} was not packed: ${started.error.message}`, { tone: "bad" });
      return;
    }
    toast(`${app} is being packed`, { command: "shelf pack" });
    onClose();
    navigate(to.releases(app));
  };
  const { data, error } = useQuery({
    enabled: !packs,
    queryKey: [...keys.model(app), "export", wish],
    placeholderData: keepPreviousData,
    retry: false,
    queryFn: () => wanted(post<ExportReport>(appPath(app, "/export"), wish)),
  });
  const options = Object.entries(wish).slice(1);
  const command = packs
    ? "shelf pack"
    : `shelf export ${[kind, ...options.map(([name, value]) => `--${name} ${value}`)].join(" ")}`;
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Export ${app}`}
      actions={
        <>
          <Button onClick={onClose}>Close</Button>
          {packs && (
            <Button weight="primary" onClick={() => void pack()}>
              Pack it
            </Button>
          )}
          {!packs && data && !error && (
            <a
              className="button primary"
              href={`${appPath(app, "/export")}?${withTarget(new URLSearchParams(wish))}`}
              download
            >
              <Download size={15} aria-hidden="true" />
              <span>Download</span>
            </a>
          )}
        </>
      }
    >
      <div className="stack">
        <Field label="What it becomes">
          {(field) => (
            <select {...field} value={kind} onChange={(event) => setKind(event.target.value as typeof kind)}>
              {KINDS.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
        {!packs && kind !== "compose" && (
          <TextField
            label="Where its images are fetched from"
            placeholder="registry.example.org/apps"
            value={registry}
            onChange={setRegistry}
          />
        )}
        {!packs && (
          <TextField
            label="Its address there"
            placeholder="https://shop.example.org"
            value={url}
            onChange={setUrl}
          />
        )}
        {packs ? (
          <p>
            The app, its images and this program, written into the app's folder and fetched from there. Data
            and secrets stay here.
          </p>
        ) : error ? (
          <p className="field-errors" role="alert">
            {error.message}
          </p>
        ) : (
          data && (
            <>
              <p>
                {list(data.files)}. No secret's value is in them.
                {kind === "compose" && " Unpack it in the app's folder: it builds the sources beside it."}
              </p>
              {(data.images.length > 0 || data.notes.length > 0) && (
                <ul aria-label="What it wants there">
                  {data.images.map(([image, from]) => (
                    <li key={image}>
                      <code>{image}</code> must be there: it is built from <code>{from}</code>
                    </li>
                  ))}
                  {data.notes.map((note) => (
                    <li key={note}>{note}</li>
                  ))}
                </ul>
              )}
            </>
          )
        )}
        <p className="muted small">
          <code>{onTarget(command)}</code>
        </p>
      </div>
    </Dialog>
  );
}
