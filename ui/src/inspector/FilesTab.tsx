// Where it comes from, its disks, and the points at which a module may be extended.
import { useState } from "react";
import type { Block, Model } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { edit, useEdits } from "../state/edits";
import { fromText } from "../state/spoken";
import { ImageField } from "./ImageField";

function Point({ app, block, point }: { app: string; block: Block; point: Block["extend"][number] }) {
  const key = `${block.name}.extend.${point.point}`;
  const errors = useEdits((it) => it.refused[key]);
  const before =
    point.value === undefined || point.value === null
      ? ""
      : typeof point.value === "string"
        ? point.value
        : JSON.stringify(point.value, null, 2);
  const [text, setText] = useState(before);
  const files = point.kind.startsWith("files");
  const value = (): unknown => {
    if (text.trim() === "") return null;
    if (files) return text.trim();
    if (point.kind.startsWith("keys") || point.kind.startsWith("env")) {
      return Object.fromEntries(
        text
          .split("\n")
          .map((line) => /^\s*([^=\s]+)\s*=\s*(.*)$/.exec(line))
          .filter((it) => it !== null)
          .map((it) => [it[1], it[2]]),
      );
    }
    return text;
  };
  return (
    <Field label={point.point} help={`${point.help} (${point.kind})`} errors={errors}>
      {(props) => (
        <div className="stack">
          {files ? (
            <input
              {...props}
              className="mono"
              placeholder="./folder"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          ) : (
            <textarea
              {...props}
              className="mono"
              rows={3}
              placeholder="name = value"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
          {text !== before && (
            <Button
              small
              onClick={() =>
                void edit(app, [{ verb: "extend", block: block.name, point: point.point, value: value() }], {
                  field: key,
                })
              }
            >
              Keep
            </Button>
          )}
        </div>
      )}
    </Field>
  );
}

const ORIGINS = { source: "Folder", image: "Image", module: "Module", external: "Elsewhere" } as const;

export function FilesTab({ app, model, block }: { app: string; model: Model; block: Block }) {
  return (
    <div className="tab-body">
      <dl className="facts">
        <dt>{ORIGINS[block.from.kind]}</dt>
        <dd className="mono">
          {block.from.kind === "source"
            ? `${model.dir}/${(block.from.path ?? "").replace(/^\.\//, "")}`
            : fromText(block)}
        </dd>
        <dt>In the file</dt>
        <dd className="mono">{`app.toml:${block.line}`}</dd>
      </dl>
      {block.from.kind === "image" && <ImageField key={block.from.image} app={app} block={block} />}
      {block.disks.length > 0 && (
        <section className="inset">
          <h3>Disks</h3>
          <ul className="plain">
            {block.disks.map((it) => (
              <li key={it.name}>
                <b>{it.name}</b> <span className="muted">{`${it.size} at`}</span> <code>{it.at}</code>
              </li>
            ))}
          </ul>
          <p className="muted small">A disk stays when the block is removed or the app is stopped.</p>
        </section>
      )}
      {block.extend.map((it) => (
        <Point key={it.point} app={app} block={block} point={it} />
      ))}
      {block.disks.length === 0 && block.extend.length === 0 && (
        <p className="muted small">No disks, and no points to extend.</p>
      )}
    </div>
  );
}
