// The command and the file line that do the same as the last action: the command line is learned by
// using the canvas. Where next: state/edits.ts.
import { useQuery } from "@tanstack/react-query";
import { Copy, X } from "lucide-react";
import { Link } from "wouter";
import { queries } from "../api/queries";
import { IconButton } from "../parts/Button";
import { to } from "../routes";
import { useEdits } from "../state/edits";

export function CommandCorner({ app }: { app: string }) {
  const last = useEdits((it) => it.last);
  const waiting = useEdits((it) => it.waiting);
  const { data: file } = useQuery({ ...queries.file(app), enabled: last?.app === app });
  if (waiting > 0)
    return <p className="corner waiting">The server does not answer; your edit waits for it.</p>;
  if (!last || last.app !== app) return null;
  const [from, till] = last.lines;
  const lines = file?.text.split("\n").slice(from - 1, till) ?? [];
  const text = lines.find((line) => line.trim() !== "" && !line.startsWith("[")) ?? lines[0] ?? "";
  return (
    <div className="corner" role="group" aria-label="The same by hand">
      <div className="corner-text">
        <code className="corner-command">
          <span aria-hidden="true">$ </span>
          {last.command}
        </code>
        {text.trim() !== "" && (
          <Link className="corner-line" href={to.file(app)}>
            <span className="muted">{`app.toml:${from}`}</span> <code>{text.trim()}</code>
          </Link>
        )}
      </div>
      <IconButton label="Copy the command" onClick={() => void navigator.clipboard?.writeText(last.command)}>
        <Copy size={14} aria-hidden="true" />
      </IconButton>
      <IconButton label="Put the command away" onClick={() => useEdits.setState({ last: null })}>
        <X size={14} aria-hidden="true" />
      </IconButton>
    </div>
  );
}
