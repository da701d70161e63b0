// Adding a block, from wherever: shelf, drop, palette, keys. One place decides its name, where it
// stands and which wire comes with it. Where next: state/edits.ts.
import type { Edit, Edited, Module, Positions } from "../api/types";
import { useCanvas, type WireStart } from "../state/canvas";
import { edit, modelOf } from "../state/edits";
import { moduleFits } from "../state/fit";
import { freeName } from "../state/names";
import { freePlace, placeAll, WIDTH } from "./place";

export interface Where {
  x: number;
  y: number;
}
let viewCentre: () => Where | null = () => null;
/** The canvas tells where the middle of its view is. */
export function setViewCentre(ask: () => Where | null): void {
  viewCentre = ask;
}

/** The version as `use` writes it: the first number is enough for the newest of it. */
export const pinText = (module: Pick<Module, "name" | "version">): string =>
  `${module.name}@${module.version.split(".")[0]}`;

function wishFor(start: WireStart | null, placed: Positions, at?: Where): Where {
  if (at) return at;
  const near = start ? placed[start.block] : undefined;
  if (near && start) {
    return { x: near.x + (start.side === "need" ? WIDTH + 130 : -(WIDTH + 130)), y: near.y };
  }
  const centre = viewCentre();
  return centre ? { x: centre.x - WIDTH / 2, y: centre.y - 70 } : { x: 40, y: 40 };
}

async function done(app: string, name: string, edited: Edited | null): Promise<string | null> {
  if (!edited) return null;
  useCanvas.getState().begin(null);
  useCanvas.getState().select([name]);
  useCanvas.getState().put({ toFocus: name });
  void app;
  return name;
}

/** Adds a module, wired to `start` if it fits there. Answers the block's name, or null if refused. */
export async function addModule(
  app: string,
  module: Module,
  options: { start?: WireStart | null; at?: Where } = {},
): Promise<string | null> {
  const model = modelOf(app);
  if (!model) return null;
  const start = options.start ?? null;
  const found = start ? moduleFits(model, start, module) : null;
  const wired = start !== null && found?.fit.fits === true;
  const taken = model.blocks.map((it) => it.name);
  const name = freeName(
    wired && start.side === "need" && !taken.includes(start.port) ? start.port : module.name,
    taken,
  );
  const edits: Edit[] = [{ verb: "add", block: name, use: pinText(module) }];
  if (wired && start.side === "need") {
    const same = module.offers.filter(
      (it) => it.interface === module.offers.find((o) => o.name === found?.port)?.interface,
    );
    const provider = same.length > 1 ? `${name}.${found?.port}` : name;
    edits.push({ verb: "wire", block: start.block, socket: start.port, provider });
  } else if (wired) {
    edits.push({ verb: "wire", block: name, socket: found?.port ?? "", provider: start.block });
  }
  const placed = placeAll(model);
  const at = freePlace(wishFor(wired ? start : null, placed, options.at), placed);
  return done(app, name, await edit(app, edits, { place: { ...unplaced(app), [name]: at } }));
}

/** Adds a block that is no module: a folder of the person's own, or an image of a registry. */
export async function addOwn(
  app: string,
  from: { source: string } | { image: string; port?: number },
  wish: string,
  at?: Where,
  field?: string,
): Promise<string | null> {
  const model = modelOf(app);
  if (!model) return null;
  const name = freeName(
    wish,
    model.blocks.map((it) => it.name),
  );
  const placed = placeAll(model);
  const place = freePlace(wishFor(null, placed, at), placed);
  const edits: Edit[] = [{ verb: "add", block: name, ...from }];
  return done(app, name, await edit(app, edits, { field, place: { ...unplaced(app), [name]: place } }));
}

/** Places of blocks that nobody kept yet: kept with the first that is, so that they stay where they are seen. */
export function unplaced(app: string): Positions {
  const model = modelOf(app);
  if (!model) return {};
  const all = placeAll(model);
  return Object.fromEntries(
    model.blocks
      .filter((it) => typeof it.x !== "number")
      .map((it) => [it.name, all[it.name] ?? { x: 0, y: 0 }]),
  );
}
