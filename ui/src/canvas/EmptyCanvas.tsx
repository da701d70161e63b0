// An app without blocks: a ghost of what it could be, and the two ways to begin.
import { FolderPlus, Plus } from "lucide-react";
import { Button } from "../parts/Button";
import { useCanvas } from "../state/canvas";

function Ghost({ name, from, left, right }: { name: string; from: string; left?: string; right?: string }) {
  return (
    <div className="ghost" aria-hidden="true">
      <b>{name}</b>
      <span>{from}</span>
      <i>{left}</i>
      <i>{right}</i>
    </div>
  );
}

export function EmptyCanvas({ app }: { app: string }) {
  return (
    <div className="empty-canvas">
      <div className="ghosts" aria-hidden="true">
        <Ghost name="web" from="your source" right="needs postgres/1" />
        <span className="ghost-wire" />
        <Ghost name="db" from="postgres" left="offers postgres/1" />
      </div>
      <h2>{`${app} is empty`}</h2>
      <p className="muted">
        Drag a module here, or press <kbd>/</kbd> to add one. Drop a folder with a Dockerfile to build your
        own.
      </p>
      <div className="row">
        <Button
          weight="primary"
          icon={<Plus size={16} aria-hidden="true" />}
          shortcut="/"
          onClick={() => {
            useCanvas.getState().put({ shelf: true, outline: false });
            setTimeout(() => document.querySelector<HTMLInputElement>("[data-shelf-search]")?.focus(), 30);
          }}
        >
          Add from the shelf
        </Button>
        <Button
          icon={<FolderPlus size={16} aria-hidden="true" />}
          onClick={() => useCanvas.getState().put({ dropped: { name: "", kind: "source" } })}
        >
          Add your source
        </Button>
      </div>
    </div>
  );
}
