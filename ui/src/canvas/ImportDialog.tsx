// What is possible with something that was dropped: said first, done only when asked, never silent.
import { Ask } from "../parts/Ask";
import "../parts/picker.css";
import { useState } from "react";
import type { Refusal } from "../api/client";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { toast } from "../parts/Live";
import { NewName, TextField } from "../parts/TextField";
import { type Dropped, useCanvas } from "../state/canvas";
import { modelOf, sentences } from "../state/edits";
import { isName, toName } from "../state/names";
import { ImportReport } from "../transfer/ImportReport";
import { addTo, blocksIn } from "../transfer/take";
import { useImport } from "../transfer/useImport";
import { AddImage } from "./AddImage";
import { addOwn } from "./add";

const close = () => useCanvas.getState().put({ dropped: null });

function Source({ app, dropped }: { app: string; dropped: Dropped }) {
  const folder = dropped.kind === "folder";
  const [typed, setPath] = useState(folder ? `./${dropped.name}` : "./");
  // The beginning is there already; who types it once more means it once.
  const path = typed.replace(/^(\.\/)+/, "./");
  const [name, setName] = useState("");
  const wish = name || toName(path.split("/").filter(Boolean).at(-1) ?? "");
  const badPath = !path.startsWith("./") || path.length < 3;
  const badName = name !== "" && !isName(name);
  const add = () => void addOwn(app, { source: path }, wish, dropped.at).then((it) => it && close());
  return (
    <Ask
      onClose={close}
      title={folder ? `Add the folder ${dropped.name}` : "Add your source"}
      leave="Cancel"
      act="Add it"
      onAct={add}
      ready={!badPath && !badName}
    >
      {folder && (
        <p className="muted">
          A browser does not tell where a dropped folder is. If it lies inside the app's folder, this path is
          right; otherwise move or link it there first.
        </p>
      )}
      <TextField
        label="Folder, inside the app's"
        help="With a Dockerfile; it is built at Go."
        errors={badPath && path.length > 2 ? ["Write it as ./folder."] : []}
        className="mono"
        value={typed}
        onChange={setPath}
      />
      <NewName label="Name of the block" placeholder={wish} value={name} onChange={setName} />
    </Ask>
  );
}

function Compose({ app, dropped }: { app: string; dropped: Dropped }) {
  const asked = useImport({ text: dropped.text ?? "", path: dropped.name, name: app });
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Refusal | null>(null);
  const here = modelOf(app)?.blocks.map((it) => it.name) ?? [];
  const found = asked.report ? blocksIn(asked.report.text) : [];
  const twice = found.filter((it) => here.includes(it));
  const add = async () => {
    if (!asked.report) return;
    setBusy(true);
    setFailed(null);
    const answer = await addTo(app, asked.report.text);
    setBusy(false);
    if (!answer.ok) {
      setFailed(answer.error);
      return;
    }
    toast(`${found.join(", ")} added from ${dropped.name}`, {
      command: `shelf import compose ${dropped.name}`,
    });
    useCanvas.getState().put({ view: "fit" });
    close();
  };
  return (
    <Ask
      wide
      onClose={close}
      title={`What ${dropped.name} becomes here`}
      leave="Leave it"
      act={found.length === 1 ? "Add 1 block" : `Add ${found.length} blocks`}
      onAct={add}
      ready={asked.report !== null && found.length > 0 && twice.length === 0 && !busy}
    >
      {dropped.text === undefined && <p>It is too large to be read here: at most 512 kB.</p>}
      {asked.busy && <p className="muted">Reading …</p>}
      {asked.error && (
        <p className="field-errors" role="alert">
          {sentences(asked.error).join(" ")}
        </p>
      )}
      {twice.length > 0 && (
        <p className="field-errors" role="alert">
          {twice.join(", ")} {twice.length === 1 ? "is" : "are"} in {app} already. Rename{" "}
          {twice.length === 1 ? "it" : "them"} here first, or make an app of its own from the file under Apps.
        </p>
      )}
      {asked.report && <ImportReport report={asked.report} />}
      {failed && (
        <p className="field-errors" role="alert">
          {sentences(failed).join(" ")}
        </p>
      )}
    </Ask>
  );
}

const WHY: Record<string, string> = {
  manifest:
    "Kubernetes manifests are applied as they are with `kubectl apply`, against this same server; they do not become blocks, because a block needs a module or a source folder.",
  env: "Open the inspector of the block it belongs to and choose “Paste .env”: it says which lines a wire already covers.",
  other:
    "The canvas takes modules from the shelf, folders with a Dockerfile, names of images, and compose files.",
};

export function ImportDialog({ app, dropped }: { app: string; dropped: Dropped }) {
  if (dropped.kind === "folder" || dropped.kind === "source") return <Source app={app} dropped={dropped} />;
  if (dropped.kind === "image") return <AddImage app={app} dropped={dropped} onClose={close} />;
  if (dropped.kind === "compose") return <Compose app={app} dropped={dropped} />;
  return (
    <Dialog
      open
      onClose={close}
      title={`${dropped.name} was not added`}
      actions={<Button onClick={close}>Close</Button>}
    >
      <p>Nothing has been changed. {WHY[dropped.kind] ?? WHY.other}</p>
    </Dialog>
  );
}
