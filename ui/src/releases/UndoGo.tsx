// Taking back the last Go: what that means first, then code alone, or code and the data of then where a
// snapshot of that moment is kept. Where next: go/operations.ts (how it runs).
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Refusal } from "../api/client";
import { queries } from "../api/queries";
import { startVerb } from "../go/operations";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Loading } from "../parts/Empty";
import { toast } from "../parts/Live";
import { TextField } from "../parts/TextField";
import { useNow } from "../system/useNow";
import { ago, bytes, when } from "../system/words";

export function UndoGo({ app, onClose }: { app: string; onClose(): void }) {
  const plan = useQuery(queries.undoGo(app));
  const [data, setData] = useState(false);
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const now = useNow(10_000);
  const it = plan.data;
  // Rows that were written since are lost: that is said with the app's name.
  const ready = it !== undefined && (!data || typed.trim() === app);
  const undo = async () => {
    if (!it) return;
    setBusy(true);
    const started = await startVerb(app, "undo-go", { data, expect: it.running.release });
    setBusy(false);
    if (started.ok) {
      toast("The last Go is being taken back", { command: `shelf undo --go${data ? " --data" : ""}` });
      onClose();
    } else toast(`Not taken back: ${started.error.message}`, { tone: "bad" });
  };
  const refused = plan.error instanceof Refusal ? plan.error : null;
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title="Take back the last Go"
      actions={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button weight={data ? "danger" : "primary"} disabled={!ready || busy} onClick={() => void undo()}>
            {data ? "Take back code and data" : "Take back the code"}
          </Button>
        </>
      }
    >
      {refused ? (
        <p role="alert">
          {refused.message}. {refused.hint}
        </p>
      ) : it === undefined ? (
        <Loading what="what that means" />
      ) : (
        <div className="stack">
          <p>
            {app} runs again what ran before: <strong>{it.before.summary || "the release before"}</strong>{" "}
            <code>{it.before.release}</code>, of {ago(it.before.at, now)}
            {it.before.by && `, by ${it.before.by}`}.
          </p>
          {it.lines.length > 0 && (
            <ul className="undo-lines" aria-label="What happens">
              {it.lines.map((line) => (
                <li key={line}>
                  <code>{line}</code>
                </li>
              ))}
            </ul>
          )}
          <fieldset className="undo-choice">
            <legend>What comes back</legend>
            <label>
              <input type="radio" name="undo-data" checked={!data} onChange={() => setData(false)} />
              <span>
                <b>Code and wiring.</b> Data stays as it is now; older code meets newer data.
              </span>
            </label>
            <label>
              <input
                type="radio"
                name="undo-data"
                checked={data}
                disabled={it.data === null}
                onChange={() => setData(true)}
              />
              <span>
                <b>Code and data.</b>{" "}
                {it.data === null
                  ? "Not possible: no snapshot was kept of the moment before this Go."
                  : `Data is as it was ${ago(it.data.at, now)} (${when(it.data.at)}): ${it.data.parts
                      .map(([block, size]) => `${block} ${bytes(size)}`)
                      .join(", ")}. What was written since is lost here; a backup of it is kept.`}
              </span>
            </label>
          </fieldset>
          {data && it.data && it.data.left_out.length > 0 && (
            <ul className="undo-lines" aria-label="Data that stays as it is now">
              {it.data.left_out.map((one) => (
                <li key={one.block}>{`${one.block} stays as it is: ${one.reason}`}</li>
              ))}
            </ul>
          )}
          {data && (
            <TextField
              label={`Type ${app}, because what was written since is replaced`}
              autoComplete="off"
              value={typed}
              onChange={setTyped}
            />
          )}
        </div>
      )}
    </Dialog>
  );
}
