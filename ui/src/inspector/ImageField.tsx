// The image that a block runs: another tag is another line of the file, fetched at the next Go.
import { useState } from "react";
import type { Block } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { edit, useEdits } from "../state/edits";

export function ImageField({ app, block }: { app: string; block: Block }) {
  const key = `${block.name}.image`;
  const errors = useEdits((it) => it.refused[key]);
  const now = block.from.image ?? "";
  const [text, setText] = useState(now);
  const wish = text.trim();
  const keep = () =>
    wish !== "" &&
    wish !== now &&
    void edit(app, [{ verb: "use", block: block.name, module: wish }], { field: key });
  return (
    <Field
      label="Image"
      errors={errors}
      help="Registry, name and tag. A Go pins what the tag meant then; a plan says when it has moved since."
    >
      {(props) => (
        <div className="stack">
          <input
            {...props}
            className="mono"
            value={text}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") keep();
            }}
          />
          {wish !== now && (
            <div>
              <Button small disabled={wish === ""} onClick={keep}>
                Use this image
              </Button>
            </div>
          )}
        </div>
      )}
    </Field>
  );
}
