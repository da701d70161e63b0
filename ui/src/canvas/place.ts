// Where blocks stand that nobody placed: in columns along the wires, consumers left, providers right.
// Quick and always the same; the tidy layout is dagre's, in a worker. Where next: tidy.ts.
import type { Block, Model, Positions } from "../api/types";
import { isOwn } from "../state/spoken";

export const WIDTH = 240;
const ROW = 28;
const HEAD = 104;
const GAP_X = 130;
const GAP_Y = 40;
const MOST_ROWS = 12;
/** From so many blocks on they are placed as a crowd. */
const CROWD = 40;

/** About how tall a block is drawn. */
export function heightOf(block: Pick<Block, "sockets" | "offers" | "public">): number {
  return HEAD + Math.max(block.sockets.length, block.offers.length) * ROW + (block.public ? 26 : 0);
}

function columns(model: Pick<Model, "blocks" | "wires">): string[][] {
  // What is built stands left of what it may use, also before anything is tied.
  const built = model.blocks.some(isOwn);
  const rank = new Map(model.blocks.map((it) => [it.name, built && !isOwn(it) ? 1 : 0]));
  // As often as there are blocks at most, so that a circle of wires ends too.
  for (let round = 0; round < Math.min(model.blocks.length, 24); round += 1) {
    let moved = false;
    for (const wire of model.wires) {
      const least = (rank.get(wire.consumer) ?? 0) + 1;
      if ((rank.get(wire.provider) ?? 0) < least && least < 12) {
        rank.set(wire.provider, least);
        moved = true;
      }
    }
    if (!moved) break;
  }
  const out: string[][] = [];
  for (const block of model.blocks) {
    const column = rank.get(block.name) ?? 0;
    out[column] ??= [];
    out[column]?.push(block.name);
  }
  return out.filter(Boolean);
}

/** A crowd stands close, in columns of the height that suits a screen, so that names stay readable. */
function inGrid(names: string[], byName: ReadonlyMap<string, Block>): Positions {
  const rows = Math.ceil(Math.sqrt(names.length * 0.9));
  const placed: Positions = {};
  for (let from = 0; from < names.length; from += rows) {
    let y = 40;
    for (const name of names.slice(from, from + rows)) {
      placed[name] = { x: 40 + (from / rows) * (WIDTH + 64), y };
      y += heightOf(byName.get(name) as Block) + 24;
    }
  }
  return placed;
}

/** A position for every block: the kept one, or one of our own. */
export function placeAll(model: Pick<Model, "blocks" | "wires">): Positions {
  const placed: Positions = {};
  for (const it of model.blocks) {
    if (typeof it.x === "number" && typeof it.y === "number") placed[it.name] = { x: it.x, y: it.y };
  }
  const missing = model.blocks.filter((it) => !(it.name in placed));
  if (missing.length === 0) return placed;
  const kept = Object.values(placed);
  if (kept.length > 0) {
    const right = Math.max(...kept.map((it) => it.x)) + WIDTH + 80;
    let y = Math.min(...kept.map((it) => it.y));
    for (const it of missing) {
      placed[it.name] = { x: right, y };
      y += heightOf(it) + GAP_Y;
    }
    return placed;
  }
  const byName = new Map(model.blocks.map((it) => [it.name, it]));
  if (model.blocks.length > CROWD) return inGrid(columns(model).flat(), byName);
  let x = 40;
  for (const names of columns(model)) {
    for (let from = 0; from < names.length; from += MOST_ROWS) {
      const part = names.slice(from, from + MOST_ROWS);
      const total = part.reduce((sum, name) => sum + heightOf(byName.get(name) as Block) + GAP_Y, 0);
      let y = names.length > MOST_ROWS ? 40 : 320 - total / 2;
      for (const name of part) {
        placed[name] = { x, y: Math.round(y / 8) * 8 };
        y += heightOf(byName.get(name) as Block) + GAP_Y;
      }
      x += WIDTH + (from + MOST_ROWS < names.length ? 48 : GAP_X);
    }
  }
  return placed;
}

/** A free place near a wished one: to the right and down until nothing is overlapped. */
export function freePlace(wish: { x: number; y: number }, taken: Positions): { x: number; y: number } {
  const round = (value: number) => Math.round(value / 8) * 8;
  const at = { x: round(wish.x), y: round(wish.y) };
  for (let tries = 0; tries < 40; tries += 1) {
    const hit = Object.values(taken).some(
      (it) => Math.abs(it.x - at.x) < WIDTH + 16 && Math.abs(it.y - at.y) < 150,
    );
    if (!hit) return at;
    at.y += 168;
    if (tries % 4 === 3) {
      at.y = round(wish.y);
      at.x += WIDTH + 60;
    }
  }
  return at;
}
