// Tying and untying wires: the one place that makes the verbs, from drag, click, key or list.

import { client, keys } from "../api/queries";
import type { Catalogue, Edited, Wire } from "../api/types";
import { announce, toast } from "../parts/Live";
import { useCanvas, type WireStart } from "../state/canvas";
import { edit, modelOf } from "../state/edits";
import { mayTie, type Pair, pairOf, providerText } from "../state/fit";

/** Ties a pair; its panel then says what the wire creates. Answers null if it was refused. */
export async function tie(app: string, pair: Pair): Promise<Edited | null> {
  const model = modelOf(app);
  if (!model) return null;
  const provider = providerText(model, pair);
  const edited = await edit(app, [{ verb: "wire", block: pair.consumer, socket: pair.socket, provider }]);
  if (edited)
    useCanvas.getState().put({ madeWire: `${pair.consumer}.${pair.socket}>${pair.provider}`, wire: null });
  return edited;
}

/** Ends a wire that was begun at `start` at another port, or says which rule forbids it. */
export async function finishWire(app: string, start: WireStart, other: WireStart): Promise<void> {
  const model = modelOf(app);
  const pair = pairOf(start, other);
  if (typeof pair === "string") {
    // Another port of the same side: the person changed their mind about where to begin.
    useCanvas.getState().begin(other);
    return;
  }
  if (!model) return;
  const fit = mayTie(model, pair, client.getQueryData<Catalogue>(keys.catalogue));
  if (!fit.fits) {
    announce(`Does not fit: ${fit.why}`);
    toast(`${pair.provider} does not fit ${pair.consumer}.${pair.socket}: ${fit.why}.`, { tone: "bad" });
    return;
  }
  useCanvas.getState().begin(null);
  await tie(app, pair);
}

export async function untie(
  app: string,
  wire: Pick<Wire, "consumer" | "socket" | "provider">,
): Promise<void> {
  const edited = await edit(app, [
    { verb: "unwire", block: wire.consumer, socket: wire.socket, provider: wire.provider },
  ]);
  if (edited) useCanvas.getState().put({ wire: null, madeWire: null });
}
