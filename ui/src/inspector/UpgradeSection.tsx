// A newer version of a block that runs: rehearsed on a copy of its data, then made if that went well.
// The same as `shelf upgrade`; where there is nothing newer, nothing is shown.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import { startVerb, useOperation } from "../go/operations";
import { Button } from "../parts/Button";
import { toast } from "../parts/Live";

export function UpgradeSection({ app, block }: { app: string; block: string }) {
  const { data } = useQuery(queries.upgrades(app));
  const operation = useOperation(app);
  const found = data?.blocks.find((it) => it.block === block);
  const [chosen, setChosen] = useState("");
  const version = chosen || found?.newer[0]?.version;
  if (!found || version === undefined) return null;
  const running = operation?.running === true;
  const upgrade = async (check: boolean) => {
    const started = await startVerb(app, "upgrade", { block, to: version, check });
    const command = `shelf -a ${app} upgrade ${block} --to ${version}${check ? " --check" : ""}`;
    if (started.ok)
      toast(check ? "It is tried on a copy of the data" : "Tried first, then made", { command });
    else toast(`${block}: ${started.error.message}`, { tone: "bad" });
  };
  return (
    <section className="inset stack" aria-label="Upgrade">
      <h3>Upgrade</h3>
      <p className="muted small">
        {`${found.module} ${found.version} runs. A newer one is started on a copy of its data first; only if that goes well, and after a snapshot, it takes the place.`}
      </p>
      {found.asks && <p className="small">{found.asks}</p>}
      <div className="row">
        <select
          className="input"
          aria-label="Upgrade to"
          value={version}
          onChange={(event) => setChosen(event.target.value)}
        >
          {found.newer.map((it) => (
            <option key={it.version} value={it.version}>
              {it.major ? `${it.version}, a new major` : it.version}
            </option>
          ))}
        </select>
        <Button small disabled={running} onClick={() => void upgrade(true)}>
          Rehearse
        </Button>
        <Button small disabled={running || found.asks !== null} onClick={() => void upgrade(false)}>
          Upgrade
        </Button>
      </div>
    </section>
  );
}
