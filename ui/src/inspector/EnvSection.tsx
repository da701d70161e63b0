// Environment of a source block, and a place to paste a `.env` that says what wires already cover.
import "../parts/picker.css";
import { ClipboardPaste, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Block } from "../api/types";
import { Button, IconButton } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { edit, modelOf } from "../state/edits";
import { coverage, envEdits } from "./env";

function PasteDialog({ app, block, onClose }: { app: string; block: Block; onClose(): void }) {
  const [text, setText] = useState("");
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const wires = modelOf(app)?.wires ?? [];
  const lines = coverage(text, block, wires);
  const edits = envEdits(
    block.name,
    lines.filter((it) => !off.has(it.name)),
    wires,
  );
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Paste a .env into ${block.name}`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            weight="primary"
            disabled={edits.length === 0}
            onClick={() => void edit(app, edits).then((it) => it && onClose())}
          >
            {edits.length === 1 ? "Add one value" : `Add ${edits.length} values`}
          </Button>
        </>
      }
    >
      <div className="stack">
        <Field
          label="Lines"
          help="Passwords belong on wires or in generated secrets; values here are written into the file."
        >
          {(props) => (
            <textarea
              {...props}
              rows={6}
              className="mono"
              value={text}
              spellCheck={false}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <ul className="ticks">
          {lines.map((it) => (
            <li key={it.name}>
              <label>
                <input
                  type="checkbox"
                  checked={!off.has(it.name)}
                  onChange={(event) => {
                    const next = new Set(off);
                    if (event.target.checked) next.delete(it.name);
                    else next.add(it.name);
                    setOff(next);
                  }}
                />
                <span className="mono">{it.name}</span>
                <span className="muted">
                  {it.coveredBy ? `the wire covers it: {${it.coveredBy}}` : "a plain value"}
                </span>
              </label>
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}

export function EnvSection({ app, block }: { app: string; block: Block }) {
  const [pasting, setPasting] = useState(false);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  return (
    <section className="inset" aria-label="Environment">
      <div className="row">
        <h3 className="grow">Environment</h3>
        <Button small icon={<ClipboardPaste size={14} aria-hidden="true" />} onClick={() => setPasting(true)}>
          Paste .env
        </Button>
      </div>
      {block.env.length > 0 && (
        <ul className="pairs">
          {block.env.map((it) => (
            <li key={it.name}>
              <span className="mono">{it.name}</span>
              <span className="mono muted">{it.value}</span>
              <IconButton
                label={`Remove ${it.name}`}
                onClick={() =>
                  void edit(app, [{ verb: "env", block: block.name, name: it.name, value: null }])
                }
              >
                <Trash2 size={14} aria-hidden="true" />
              </IconButton>
            </li>
          ))}
        </ul>
      )}
      <form
        className="env-add"
        onSubmit={(event) => {
          event.preventDefault();
          if (name === "") return;
          void edit(app, [{ verb: "env", block: block.name, name, value }]).then((it) => {
            if (!it) return;
            setName("");
            setValue("");
          });
        }}
      >
        <input
          className="input mono"
          aria-label="Name of a new variable"
          placeholder="NAME"
          value={name}
          spellCheck={false}
          onChange={(event) => setName(event.target.value)}
        />
        <input
          className="input mono"
          aria-label="Its value"
          placeholder="value or {db.url}"
          value={value}
          spellCheck={false}
          onChange={(event) => setValue(event.target.value)}
        />
        <Button small type="submit" disabled={name === ""}>
          Add
        </Button>
      </form>
      {pasting && <PasteDialog app={app} block={block} onClose={() => setPasting(false)} />}
    </section>
  );
}
