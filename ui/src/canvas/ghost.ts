// What people do next with a block: tie its open socket, or let their source use what it offers. At most
// two offers, each one key or one click; never in the way. Where next: GhostHint.tsx, keysOn.ts.
import type { Catalogue, Edit, Model, Module } from "../api/types";
import { newest } from "../shelf/Shelf";
import { choices, moduleFits, type Pair } from "../state/fit";
import { isOwn } from "../state/spoken";

export type Ghost = { id: string; label: string } & (
  | { do: "tie"; pair: Pair }
  | { do: "add"; module: Module; socket: string }
  | { do: "use"; edits: Edit[]; focus: string }
  | { do: "source" }
);
const MOST = 2;

/** The next steps that fit a block, the likeliest first. */
export function ghostsOf(model: Model, name: string, catalogue?: Catalogue): Ghost[] {
  const block = model.blocks.find((it) => it.name === name);
  if (!block || !model.blocks.length) return [];
  const open = block.sockets.find((it) => it.missing);
  if (open) {
    const ties = choices(model, block, catalogue)
      .filter((it) => it.consumer === name && it.socket === open.name && it.fit.fits)
      .map((it): Ghost => {
        const { consumer, socket, provider, offer } = it;
        const pair = { consumer, socket, provider, offer };
        return { id: `tie ${provider}`, label: `tie ${open.name} to ${provider}`, do: "tie", pair };
      });
    const start = { block: name, port: open.name, side: "need" as const };
    const adds = newest(catalogue?.modules ?? [])
      .filter((it) => moduleFits(model, start, it).fit.fits)
      .map((module): Ghost => {
        const label = `add ${module.name} for ${open.name}`;
        return { id: `add ${module.name}`, label, do: "add", module, socket: open.name };
      });
    return [...ties, ...adds].slice(0, MOST);
  }
  const offer = isOwn(block) ? undefined : block.offers[0];
  if (!offer || model.wires.some((it) => it.provider === name)) return [];
  const sources = model.blocks.filter(
    (it) => isOwn(it) && !it.sockets.some((one) => one.interface === offer.interface),
  );
  if (!model.blocks.some(isOwn)) {
    return [{ id: "source", label: `add your source that uses ${name}`, do: "source" }];
  }
  return sources.slice(0, MOST).map((it): Ghost => {
    const taken = it.sockets.some((one) => one.name === name);
    const socket = taken ? `${name}2` : name;
    return {
      id: `use ${it.name}`,
      label: `let ${it.name} use ${name}`,
      do: "use",
      focus: it.name,
      edits: [
        { verb: "need", block: it.name, socket, interface: offer.interface, limits: {} },
        { verb: "wire", block: it.name, socket, provider: name },
      ],
    };
  });
}
