// See Protected.tsx.
import { useState } from "react";
import { Ask } from "./Ask";
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
    <Ask
      onClose={() => onAnswer(null)}
      title={`Change ${name}`}
      act="Do it"
      onAct={() => onAnswer(name)}
      ready={right}
      danger
    >
      <p>{why}.</p>
      <TextField label={<>Type {name}</>} autoComplete="off" value={typed} onChange={setTyped} />
    </Ask>
  );
}
