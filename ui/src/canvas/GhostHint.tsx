// The next step, softly: what people do next with the chosen block, taken by `.` or a click, and gone
// with the selection. Where next: ghost.ts (which steps).
import { useQuery } from "@tanstack/react-query";
import { client, keys, queries } from "../api/queries";
import type { Catalogue, Model } from "../api/types";
import { Button } from "../parts/Button";
import { announce } from "../parts/Live";
import { useCanvas } from "../state/canvas";
import { edit, modelOf } from "../state/edits";
import { addModule } from "./add";
import { type Ghost, ghostsOf } from "./ghost";
import { tie } from "./tie";

export async function takeGhost(app: string, block: string, ghost: Ghost): Promise<void> {
  const canvas = useCanvas.getState();
  if (ghost.do === "tie") await tie(app, ghost.pair);
  else if (ghost.do === "add")
    await addModule(app, ghost.module, { start: { block, port: ghost.socket, side: "need" } });
  else if (ghost.do === "source") canvas.put({ dropped: { name: "", kind: "source" } });
  else if (await edit(app, ghost.edits)) {
    canvas.select([ghost.focus]);
    canvas.put({ toFocus: ghost.focus });
  }
}

/** The first next step of a block, taken; says so if there is none. */
export async function takeFirst(app: string, block: string): Promise<void> {
  const model = modelOf(app);
  const [first] = model ? ghostsOf(model, block, client.getQueryData<Catalogue>(keys.catalogue)) : [];
  if (first) await takeGhost(app, block, first);
  else announce(`Nothing suggests itself for ${block}`);
}

export function GhostHint({ app, model }: { app: string; model: Model }) {
  const { data: catalogue } = useQuery(queries.catalogue());
  const block = useCanvas((it) =>
    it.selected.length === 1 && !it.start && !it.madeWire ? it.selected[0] : null,
  );
  if (!block) return null;
  const ghosts = ghostsOf(model, block, catalogue);
  const [first] = ghosts;
  if (!first) return null;
  return (
    <div className="wire-hint ghost-hint" role="group" aria-label={`Next for ${block}`}>
      <span>Next:</span>
      {ghosts.map((it) => (
        <Button key={it.id} small weight="quiet" onClick={() => void takeGhost(app, block, it)}>
          {it.label}
        </Button>
      ))}
      <kbd title={`Takes the first: ${first.label}`}>.</kbd>
    </div>
  );
}
