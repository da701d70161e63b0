// Environment of a source block, and a place to paste a `.env` that says what wires already cover.
import { Ask } from "../parts/Ask";
import "../parts/picker.css";
import { ClipboardPaste, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Block } from "../api/types";
import { Button, IconButton } from "../parts/Button";
import { Field } from "../parts/Field";
import { toast } from "../parts/Live";
import { edit, modelOf } from "../state/edits";
import { coverage, envEdits, isSecretName, lineWords } from "./env";
import { giveSecret } from "./secrets";

function PasteDialog({ app, block, onClose }: { app: string; block: Block; onClose(): void }) {
  const [text, setText] = useState("");
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const model = modelOf(app);
  const wires = model?.wires ?? [];
  const lines = coverage(text, block, wires, model);
  const on = lines.filter((it) => !off.has(it.name));
  const edits = envEdits(block.name, on, wires);
  const keep = async () => {
    if (!(await edit(app, edits))) return;
    for (const it of on.filter((one) => one.secret)) {
      const answer = await giveSecret(app, block.name, it.name, it.value);
      if (!answer.ok) {
        toast(`${it.name} is named in the file but has no value yet: ${answer.error.message}`, {
          tone: "bad",
        });
        break;
      }
    }
    onClose();
  };
  return (
    <Ask
      onClose={onClose}
      title={`Paste a .env into ${block.name}`}
      leave="Cancel"
      act={on.length === 1 ? "Take one line" : `Take ${on.length} lines`}
      onAct={keep}
      ready={edits.length > 0}
    >
      <Field
        label="Lines"
        help="Addresses of services become sockets, passwords become secrets that only the server keeps; the rest is written into the file."
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
              <span className="muted">{lineWords(it)}</span>
            </label>
          </li>
        ))}
      </ul>
    </Ask>
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
      {isSecretName(name) && value !== "" && !value.startsWith("{") && (
        <p className="small warn-text" role="status">
          {name} sounds like a secret: here it would be readable in the file. Set it under Access instead.
        </p>
      )}
      {pasting && <PasteDialog app={app} block={block} onClose={() => setPasting(false)} />}
    </section>
  );
}
