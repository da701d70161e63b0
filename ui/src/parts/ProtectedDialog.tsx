// See Protected.tsx.
import { useState } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { TextField } from "./TextField";

interface Props {
  /** The server's words: which target, and that it is protected. */
  why: string;
  onAnswer(name: string | null): void;
}

export function ProtectedDialog({ why, onAnswer }: Props) {
  const [typed, setTyped] = useState("");
  // The sentence begins with the target's name.
  const name = why.split(" ")[0] ?? "";
  const right = typed.trim() === name;
  return (
    <Dialog
      open
      onClose={() => onAnswer(null)}
      title={`Change ${name}`}
      actions={
        <>
          <Button onClick={() => onAnswer(null)}>Not now</Button>
          <Button weight="danger" disabled={!right} onClick={() => onAnswer(name)}>
            Do it
          </Button>
        </>
      }
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (right) onAnswer(name);
        }}
      >
        <p>{why}.</p>
        <TextField label={<>Type {name}</>} autoComplete="off" value={typed} onChange={setTyped} />
      </form>
    </Dialog>
  );
}
