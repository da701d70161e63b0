// Verbs on what runs that are asked for on the canvas: a new login for a wire, and links to share.
import { base } from "../api/target";
import type { StatusReport, Wire } from "../api/types";
import { startVerb } from "../go/operations";
import { toast } from "../parts/Live";
import { to } from "../routes";

type Tie = Pick<Wire, "consumer" | "socket" | "provider">;

/** A new login for a wire: made beside the old one, taken up copy by copy, then the old one goes. */
export async function rotate(app: string, wire: Tie): Promise<void> {
  const name = `${wire.consumer}.${wire.socket}`;
  const started = await startVerb(app, "rotate", { wire: name });
  if (started.ok)
    toast(`${name} gets a new login; nothing stops`, { command: `shelf -a ${app} secret rotate ${name}` });
  else toast(`${name}: ${started.error.message}`, { tone: "bad" });
}

/** Why a wire cannot get a new login now, or null. */
export function noRotation(wire: Tie, status: StatusReport | undefined): string | null {
  const running = (block: string) => status?.blocks.some((it) => it.name === block && it.ready > 0);
  if (!running(wire.provider)) return `${wire.provider} does not run`;
  if (!running(wire.consumer)) return `${wire.consumer} does not run`;
  return null;
}

/** The address of this page with a block or a wire chosen, put where it can be pasted from. */
export function share(app: string, what: { block: string } | { wire: string }): void {
  const path =
    "block" in what ? to.canvas(app, what.block) : `${to.canvas(app)}?wire=${encodeURIComponent(what.wire)}`;
  void navigator.clipboard?.writeText(location.origin + base + path).then(
    () => toast("Link copied: it opens here, for whoever may see this server"),
    () => toast("The browser did not allow copying", { tone: "bad" }),
  );
}
