// The last rung: the module of a block as a copy in the app's folder, yours to change and to keep up.
// What costs less is said first. The same as `shelf fork`.
import { useState } from "react";
import { appPath, post } from "../api/client";
import { client, keys } from "../api/queries";
import { Button } from "../parts/Button";
import { toast } from "../parts/Live";

/** What `fork` says it did, or would do. */
interface Fork {
  module: string;
  to: string;
  files: number;
  lines: number;
  lower: { rung: number; how: string; what: string[]; command: string }[];
  price: string;
}

export function ForkSection({ app, block }: { app: string; block: string }) {
  const [would, setWould] = useState<Fork | null>(null);
  const [busy, setBusy] = useState(false);
  const ask = async (dryRun: boolean) => {
    setBusy(true);
    const answer = await post<Fork>(appPath(app, "/fork"), { block, dry_run: dryRun });
    setBusy(false);
    if (!answer.ok) {
      toast(`Not copied: ${answer.error.message}`, { tone: "bad" });
    } else if (dryRun) {
      setWould(answer.value);
    } else {
      toast(`${answer.value.module} is copied to ${answer.value.to}`, {
        command: `shelf -a ${app} fork ${block}`,
      });
      void client.invalidateQueries({ queryKey: keys.model(app) });
    }
  };
  return (
    <section className="inset stack" aria-label="Make the module yours">
      <h3>Make the module yours</h3>
      {would === null ? (
        <>
          <p className="muted small">
            A copy in the app's folder that you change as you like. It is the last of five ways to change a
            block, and the only one without upgrades.
          </p>
          <div>
            <Button small disabled={busy} onClick={() => void ask(true)}>
              What it would cost
            </Button>
          </div>
        </>
      ) : (
        <>
          <p className="small">These keep upgrades, backups and tests as they are:</p>
          <ul className="small">
            {would.lower.map((one) => (
              <li key={one.rung}>
                <b>{one.how}</b> {one.what.join(", ")}: <code>{one.command}</code>
              </li>
            ))}
          </ul>
          <p className="small">
            {`${would.files} files, ${would.lines} lines, copied to `}
            <code>{would.to}</code>. {would.price}.
          </p>
          <div className="row">
            <Button small onClick={() => setWould(null)}>
              Not now
            </Button>
            <Button small weight="danger" disabled={busy} onClick={() => void ask(false)}>
              Copy the module
            </Button>
          </div>
        </>
      )}
    </section>
  );
}
