// An app with its data to another target: looked at first, then done. Where next: ../go/care.ts, which
// says what came of it.
import { useState } from "react";
import { HERE, target, targetWord } from "../api/target";
import type { TargetRow } from "../api/types";
import { startVerb } from "../go/operations";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { toast } from "../parts/Live";

interface Props {
  app: string;
  targets: TargetRow[];
  onClose(): void;
}

export function MoveDialog({ app, targets, onClose }: Props) {
  const from = target ?? HERE;
  const others = targets.filter((it) => it.name !== from);
  const [to, setTo] = useState(others[0]?.name ?? "");
  const [busy, setBusy] = useState(false);
  const move = async (only: { dry_run?: true; undo?: true }) => {
    setBusy(true);
    const started = await startVerb(app, "move", { to, ...only });
    setBusy(false);
    if (!started.ok) {
      toast(`Not moved: ${started.error.message}`, { tone: "bad" });
      return;
    }
    const how = only.dry_run ? " --dry-run" : only.undo ? " --undo" : "";
    const what = only.dry_run
      ? "It is looked at; nothing changes"
      : only.undo
        ? "The move is being taken back"
        : `${app} goes to ${targetWord(to)}`;
    toast(what, { command: `shelf -a ${app} move --to ${to}${how}` });
    onClose();
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Move ${app}`}
      actions={
        <>
          <Button disabled={busy} onClick={() => void move({ undo: true })}>
            Take back one that broke off
          </Button>
          <Button disabled={busy} onClick={() => void move({ dry_run: true })}>
            Look first
          </Button>
          <Button weight="primary" disabled={busy} onClick={() => void move({})}>
            Move it
          </Button>
        </>
      }
    >
      <div className="stack">
        <fieldset className="undo-choice">
          <legend>Where it goes</legend>
          {others.map((it) => (
            <label key={it.name}>
              <input type="radio" name="move-to" checked={to === it.name} onChange={() => setTo(it.name)} />
              <span>
                <b>{targetWord(it.name)}</b>
                {it.protected && ", protected"}
                {it.server && ` · ${it.server}`}
              </span>
            </label>
          ))}
        </fieldset>
        <p className="muted">
          Its images go first. From when its copies stop until it is ready there nobody can write; what fails
          is taken back by itself. Here it stays, stopped, with its data and a backup.
        </p>
      </div>
    </Dialog>
  );
}
