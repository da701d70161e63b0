// What is hard to take back, each with what it leaves alone: versions, a copy, rename, remove.
import { useState } from "react";
import type { Block, BlockStatus, Catalogue, Model } from "../api/types";
import { duplicate, removeBlocks, restart } from "../canvas/verbs";
import { Button } from "../parts/Button";
import { useCanvas } from "../state/canvas";
import { edit } from "../state/edits";
import { compareVersions } from "../state/fit";
import { ForkSection } from "./ForkSection";
import { UpgradeSection } from "./UpgradeSection";

export function DangerTab({
  app,
  block,
  status,
  catalogue,
}: {
  app: string;
  model: Model;
  block: Block;
  status?: BlockStatus;
  catalogue?: Catalogue;
}) {
  const versions = (catalogue?.modules ?? [])
    .filter((it) => it.name === block.from.module)
    .sort((a, b) => compareVersions(b.version, a.version));
  const [version, setVersion] = useState(block.from.version ?? "");
  return (
    <div className="tab-body">
      {block.from.kind === "module" && versions.length > 1 && (
        <section className="inset stack">
          <h3>Version</h3>
          <p className="muted small">
            Written to the file and made at the next Go. A new major of a database reads old data only where
            the module says so; the plan tells.
          </p>
          <div className="row">
            <select
              className="input"
              aria-label="Version"
              value={version}
              onChange={(event) => setVersion(event.target.value)}
            >
              {versions.map((it) => (
                <option key={it.version}>{it.version}</option>
              ))}
            </select>
            <Button
              small
              disabled={version === block.from.version}
              onClick={() =>
                void edit(app, [
                  { verb: "use", block: block.name, module: `${block.from.module}@${version}` },
                ])
              }
            >
              Use it
            </Button>
          </div>
        </section>
      )}
      {status && block.from.kind === "module" && (
        <UpgradeSection key={block.name} app={app} block={block.name} />
      )}
      {block.from.kind === "module" && !block.from.path && (
        <ForkSection key={`fork/${block.name}`} app={app} block={block.name} />
      )}
      <section className="inset stack">
        <h3>Name</h3>
        <p className="muted small">
          Its disks and logins carry the name: a renamed block starts with empty disks, the old ones stay.
        </p>
        <div className="row">
          <Button small onClick={() => useCanvas.getState().put({ renaming: block.name })}>
            Rename
          </Button>
          <Button small onClick={() => void duplicate(app, [block.name])}>
            Duplicate
          </Button>
          <Button small disabled={!status} onClick={() => void restart(app, block.name)}>
            Restart
          </Button>
        </div>
      </section>
      <section className="inset stack">
        <h3>Remove</h3>
        <p className="muted small">
          It leaves the file now and stops at the next Go. Its data stays on its disk until you delete it
          under System.
        </p>
        <div>
          <Button
            small
            weight="danger"
            onClick={() => void removeBlocks(app, [block.name])}
          >{`Remove ${block.name}`}</Button>
        </div>
      </section>
    </div>
  );
}
