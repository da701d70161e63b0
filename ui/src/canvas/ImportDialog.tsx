// What is possible with something that was dropped: said first, done only when asked, never silent.
import "../parts/picker.css";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { queries } from "../api/queries";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { newest } from "../shelf/Shelf";
import { type Dropped, useCanvas } from "../state/canvas";
import { isName, toName } from "../state/names";
import { addModule, addSource } from "./add";
import { imageName, servicesOf } from "./drop";

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
  const add = () => void addSource(app, path, wish, dropped.at).then((it) => it && close());
  return (
    <Dialog
      open
      onClose={close}
      title={folder ? `Add the folder ${dropped.name}` : "Add your source"}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button weight="primary" disabled={badPath || badName} onClick={add}>
            Add it
          </Button>
        </>
      }
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!badPath && !badName) add();
        }}
      >
        {folder && (
          <p className="muted">
            A browser does not tell where a dropped folder is. If it lies inside the app's folder, this path
            is right; otherwise move or link it there first.
          </p>
        )}
        <Field
          label="Folder, inside the app's"
          help="With a Dockerfile; it is built at Go."
          errors={badPath && path.length > 2 ? ["Write it as ./folder."] : []}
        >
          {(props) => (
            <input
              {...props}
              className="mono"
              value={typed}
              spellCheck={false}
              onChange={(event) => setPath(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Name of the block"
          errors={badName ? ["Lower case letters, digits and -, a letter first."] : []}
        >
          {(props) => (
            <input
              {...props}
              placeholder={wish}
              value={name}
              spellCheck={false}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        {/* Two fields and no button of its own: without this, Enter would not be a submit. */}
        <input type="submit" hidden />
      </form>
    </Dialog>
  );
}

function Compose({ app, dropped }: { app: string; dropped: Dropped }) {
  const { data: catalogue } = useQuery(queries.catalogue());
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const [busy, setBusy] = useState(false);
  const found = useMemo(() => {
    const modules = newest(catalogue?.modules ?? []);
    return servicesOf(dropped.text ?? "").map((it) => {
      const image = it.image ? imageName(it.image) : "";
      const module = modules.find((m) => m.name === image || m.aliases.includes(image));
      return { ...it, module };
    });
  }, [dropped.text, catalogue]);
  const possible = found.filter((it) => (it.module || it.build) && !off.has(it.name));
  const add = async () => {
    setBusy(true);
    for (const it of possible) {
      if (it.module) await addModule(app, it.module);
      else if (it.build)
        await addSource(app, it.build.startsWith("./") ? it.build : `./${it.build}`, it.name);
    }
    close();
  };
  return (
    <Dialog
      open
      wide
      onClose={close}
      title={`What ${dropped.name} could be here`}
      actions={
        <>
          <Button onClick={close}>Leave it</Button>
          <Button weight="primary" disabled={possible.length === 0 || busy} onClick={() => void add()}>
            {possible.length === 1 ? "Add 1 block" : `Add ${possible.length} blocks`}
          </Button>
        </>
      }
    >
      <p className="muted">
        Nothing has been changed. Services whose image is on the shelf can become modules, those that are
        built can become source blocks; networks, volumes and environment are not taken over, wires replace
        them.
      </p>
      <ul className="ticks">
        {found.map((it) => {
          const can = Boolean(it.module || it.build);
          return (
            <li key={it.name}>
              <label>
                <input
                  type="checkbox"
                  disabled={!can}
                  checked={can && !off.has(it.name)}
                  onChange={(event) => {
                    const next = new Set(off);
                    if (event.target.checked) next.delete(it.name);
                    else next.add(it.name);
                    setOff(next);
                  }}
                />
                <b>{it.name}</b>
                <span className="muted">
                  {it.module
                    ? `${it.image} → module ${it.module.name} ${it.module.version}`
                    : it.build
                      ? `built from ${it.build} → your source`
                      : `${it.image ?? "no image"}: not on the shelf; a folder with "FROM ${it.image ?? "…"}" as its Dockerfile can be a block`}
                </span>
              </label>
            </li>
          );
        })}
      </ul>
      {found.length === 0 && <p>No services were found in it.</p>}
    </Dialog>
  );
}

const WHY: Record<string, string> = {
  manifest:
    "Kubernetes manifests are applied as they are with `kubectl apply`, against this same server; they do not become blocks, because a block needs a module or a source folder.",
  env: "Open the inspector of the block it belongs to and choose “Paste .env”: it says which lines a wire already covers.",
  other: "The canvas takes modules from the shelf, folders with a Dockerfile, and compose files.",
};

export function ImportDialog({ app, dropped }: { app: string; dropped: Dropped }) {
  if (dropped.kind === "folder" || dropped.kind === "source") return <Source app={app} dropped={dropped} />;
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
