// Who can reach it: its address for the world, the blocks that are wired to it, its secrets by name.
import { useEffect, useState } from "react";
import type { Block, Model, Process } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { edit, useEdits } from "../state/edits";
import { SecretsSection } from "./SecretsSection";

function PathField({ app, block, process }: { app: string; block: Block; process: Process }) {
  const key = `${block.name}.url.${process.name}`;
  const errors = useEdits((it) => it.refused[key]);
  const shown = process.paths.join(" ");
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const put = (path: string[]) =>
    void edit(
      app,
      [
        {
          verb: "url",
          block: block.name,
          process: block.processes.length > 1 ? process.name : undefined,
          path,
        },
      ],
      { field: key },
    );
  return (
    <Field
      label={`Address of ${process.name}`}
      errors={errors}
      help={
        process.paths.length > 0
          ? "Public at these paths of the app's address."
          : "Private: only wired blocks reach it."
      }
    >
      {(props) => (
        <div className="row">
          <input
            {...props}
            className="mono"
            placeholder="private; a path such as / makes it public"
            value={text}
            spellCheck={false}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") put(text.split(/[\s,]+/).filter(Boolean));
            }}
          />
          {text !== shown ? (
            <Button small onClick={() => put(text.split(/[\s,]+/).filter(Boolean))}>
              Keep
            </Button>
          ) : process.paths.length > 0 ? (
            <Button small onClick={() => put([])}>
              Make private
            </Button>
          ) : (
            <Button small onClick={() => put(["/"])}>
              Make public
            </Button>
          )}
        </div>
      )}
    </Field>
  );
}

export function AccessTab({ app, model, block }: { app: string; model: Model; block: Block }) {
  const ports = block.processes.filter((it) => it.port);
  const users = [...new Set(model.wires.filter((it) => it.provider === block.name).map((it) => it.consumer))];
  return (
    <div className="tab-body">
      {ports.map((it) => (
        <PathField key={it.name} app={app} block={block} process={it} />
      ))}
      <section className="inset">
        <h3>Reached by</h3>
        <p className="small">
          {users.length > 0
            ? `${users.join(", ")}, by a wire; the network lets nobody else in.`
            : "No block is wired to it."}
        </p>
      </section>
      <SecretsSection key={block.name} app={app} block={block} />
    </div>
  );
}
