// The secrets of a block: named, set, set anew, never shown; what was typed on this page can be revealed
// to who typed it. Where next: secrets.ts.
import { Eye, EyeOff, KeyRound } from "lucide-react";
import { useState } from "react";
import type { Block } from "../api/types";
import { Button, IconButton } from "../parts/Button";
import { Field } from "../parts/Field";
import { announce, toast } from "../parts/Live";
import { edit } from "../state/edits";
import { isOwn } from "../state/spoken";
import { giveSecret, typedHere } from "./secrets";

function Row({ app, block, name, onSet }: { app: string; block: string; name: string; onSet(): void }) {
  const [shown, setShown] = useState(false);
  const value = typedHere(app, block, name);
  return (
    <li className="row">
      <code className="grow">{name}</code>
      {value === null ? (
        <span className="muted small">never shown</span>
      ) : (
        <>
          {shown && <code className="secret-value">{value}</code>}
          <IconButton
            label={shown ? `Hide ${name}` : `Reveal ${name}, which you typed here`}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            {shown ? <EyeOff size={14} aria-hidden="true" /> : <Eye size={14} aria-hidden="true" />}
          </IconButton>
        </>
      )}
      <Button small onClick={onSet}>
        Set anew
      </Button>
    </li>
  );
}

export function SecretsSection({ app, block }: { app: string; block: Block }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [shown, setShown] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const own = isOwn(block);
  if (!own && block.secrets.length === 0) return null;
  const bad = name !== "" && !/^[A-Za-z0-9_.-]+$/.test(name);
  const give = async () => {
    if (name === "" || value === "" || bad || busy) return;
    setBusy(true);
    setError(null);
    const known = block.secrets.some((it) => it.name === name);
    const named =
      known || (await edit(app, [{ verb: "secret", block: block.name, name, given: true }])) !== null;
    const answer = named ? await giveSecret(app, block.name, name, value) : null;
    setBusy(false);
    if (answer === null) return;
    if (!answer.ok) {
      setError([answer.error.message, answer.error.hint].filter(Boolean).join(". "));
      return;
    }
    toast(answer.value.rolled ? `${name} is set; running copies are replaced` : `${name} is set`, {
      command: `shelf set ${block.name} --secret ${name}`,
    });
    announce(`${name} is set`);
    setName("");
    setValue("");
    setShown(false);
  };
  return (
    <section className="inset stack" aria-label="Secrets">
      <h3>Secrets</h3>
      {block.secrets.length > 0 && (
        <ul className="plain">
          {block.secrets.map((it) => (
            <Row
              key={it.name}
              app={app}
              block={block.name}
              name={it.name}
              onSet={() => {
                setName(it.name);
                document.querySelector<HTMLInputElement>("[data-secret-value]")?.focus();
              }}
            />
          ))}
        </ul>
      )}
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void give();
        }}
      >
        <Field
          label="Name"
          help="In capitals it is an environment variable as well. The file gets the name only."
          errors={bad ? ["Letters, digits, -, _ and dots."] : []}
        >
          {(props) => (
            <input
              {...props}
              className="mono"
              placeholder="STRIPE_KEY"
              value={name}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Value" errors={error ? [error] : []}>
          {(props) => (
            <div className="row">
              <input
                {...props}
                data-secret-value
                className="mono grow"
                type={shown ? "text" : "password"}
                value={value}
                spellCheck={false}
                autoComplete="new-password"
                onChange={(event) => setValue(event.target.value)}
              />
              <IconButton
                label={shown ? "Hide what is typed" : "Reveal what is typed"}
                aria-pressed={shown}
                onClick={() => setShown(!shown)}
              >
                {shown ? <EyeOff size={14} aria-hidden="true" /> : <Eye size={14} aria-hidden="true" />}
              </IconButton>
            </div>
          )}
        </Field>
        <div>
          <Button
            small
            type="submit"
            icon={<KeyRound size={14} aria-hidden="true" />}
            disabled={name === "" || value === "" || bad || busy}
          >
            Set the secret
          </Button>
        </div>
      </form>
    </section>
  );
}
