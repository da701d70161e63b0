// What fits what, and which rule is broken if not, in the words a person needs. This only shows: the
// server's checker decides again on every edit. Where next: canvas/BlockNode.tsx, shelf/Shelf.tsx.
import type { Block, Catalogue, Limit, Model, Module, Offer, Socket } from "../api/types";
import type { WireStart } from "./canvas";

export type Fit = { fits: true } | { fits: false; why: string };
const YES: Fit = { fits: true };
const no = (why: string): Fit => ({ fits: false, why });

/** A limit in words: `version >=16`. */
export function limitText(limit: Limit): string {
  return typeof limit === "string" ? limit : `${limit.fact} ${limit.rule}`;
}
export const limitsText = (limits: Limit[]): string => limits.map(limitText).join(", ");

/** Compares dotted numbers; parts that are missing count as 0. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map((it) => Number.parseInt(it, 10) || 0);
  const right = b.split(".").map((it) => Number.parseInt(it, 10) || 0);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** Whether a fact meets one rule such as `>=14`, `<16`, `=15`, or a plain value. */
function meets(value: string, rule: string): boolean {
  const [, sign = "", wanted = ""] = /^(>=|<=|>|<|=)?\s*(.+)$/.exec(rule.trim()) ?? [];
  if (sign === "") {
    const have = value.split(/[\s,]+/);
    return value === wanted || wanted.split(/[\s,]+/).every((it) => have.includes(it));
  }
  if (sign === "=") {
    // `=15` takes any 15.x: as many parts are compared as were written.
    const parts = wanted.split(".").length;
    return compareVersions(value.split(".").slice(0, parts).join("."), wanted) === 0;
  }
  const order = compareVersions(value, wanted);
  return { ">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0 }[sign] ?? false;
}

/** Which limit a provider's facts break, if any. */
export function brokenLimit(limits: Limit[], facts: Record<string, string>): string | null {
  for (const limit of limits) {
    const text = limitText(limit);
    const [, fact = "", rules = ""] = /^([\w-]+)\s*:?\s*(.*)$/.exec(text) ?? [];
    const value = facts[fact];
    if (value === undefined) return `needs ${text}, and the provider does not say its ${fact}`;
    if (!rules.split(/,\s*/).every((rule) => meets(String(value), rule)))
      return `offers ${fact} ${value}, needs ${rules}`;
  }
  return null;
}

type Need = Pick<Socket, "interface" | "limits">;
type Give = Pick<Offer, "interface" | "facts">;

/** Whether an offer can serve a socket, their blocks apart. */
export function serves(need: Need, offer: Give): Fit {
  if (need.interface !== offer.interface) return no(`offers ${offer.interface}, needs ${need.interface}`);
  const broken = brokenLimit(need.limits, offer.facts);
  return broken ? no(broken) : YES;
}

/** Blocks that must be up before `from` may start, over all wires of that kind. */
function reaches(model: Model, from: string, goal: string): boolean {
  const seen = new Set<string>();
  const todo = [from];
  while (todo.length > 0) {
    const at = todo.pop() as string;
    if (at === goal) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    for (const wire of model.wires) if (wire.before_start && wire.consumer === at) todo.push(wire.provider);
  }
  return false;
}

export interface Pair {
  consumer: string;
  socket: string;
  provider: string;
  offer: string;
}

const blockOf = (model: Model, name: string) => model.blocks.find((it) => it.name === name);

/** Whether a socket may be tied to an offer, in this app as it is now. */
export function mayTie(model: Model, pair: Pair, catalogue?: Catalogue): Fit {
  const consumer = blockOf(model, pair.consumer);
  const provider = blockOf(model, pair.provider);
  const socket = consumer?.sockets.find((it) => it.name === pair.socket);
  const offer = provider?.offers.find((it) => it.name === pair.offer);
  if (!socket || !offer) return no("is not there any more");
  if (pair.consumer === pair.provider) return no("a block is not tied to itself");
  const served = serves(socket, offer);
  if (!served.fits) return served;
  const wires = model.wires.filter((it) => it.provider === pair.provider && it.offer === pair.offer);
  if (wires.some((it) => it.consumer === pair.consumer && it.socket === pair.socket))
    return no("is tied already");
  if (typeof offer.max === "number" && wires.length >= offer.max)
    return no(`takes ${offer.max} wires and has them`);
  const before = catalogue?.interfaces.find((it) => it.name === socket.interface)?.order === "before-start";
  if (before && reaches(model, pair.provider, pair.consumer)) {
    return no(`${pair.provider} waits for ${pair.consumer} already; a circle could not start`);
  }
  return YES;
}

/** The pair that a start and another port make, or why they make none. */
export function pairOf(start: WireStart, other: WireStart): Pair | string {
  if (start.side === other.side)
    return start.side === "need" ? "needs too; choose an offer" : "offers too; choose a need";
  const [need, offer] = start.side === "need" ? [start, other] : [other, start];
  return { consumer: need.block, socket: need.port, provider: offer.block, offer: offer.port };
}

export function fits(model: Model, start: WireStart, other: WireStart, catalogue?: Catalogue): Fit {
  const pair = pairOf(start, other);
  return typeof pair === "string" ? no(pair) : mayTie(model, pair, catalogue);
}

export interface Choice extends Pair {
  fit: Fit;
  interface: string;
}

/** Every tie a block can make, or why not, those that fit first and missing sockets before others. */
export function choices(model: Model, block: Block, catalogue?: Catalogue): Choice[] {
  const out: (Choice & { rank: number })[] = [];
  for (const socket of block.sockets) {
    for (const other of model.blocks) {
      for (const offer of other.offers) {
        if (other.name === block.name || offer.interface !== socket.interface) continue;
        const pair = { consumer: block.name, socket: socket.name, provider: other.name, offer: offer.name };
        out.push({
          ...pair,
          interface: socket.interface,
          fit: mayTie(model, pair, catalogue),
          rank: socket.missing ? 0 : 1,
        });
      }
    }
  }
  for (const offer of block.offers) {
    for (const other of model.blocks) {
      for (const socket of other.sockets) {
        if (other.name === block.name || offer.interface !== socket.interface) continue;
        const pair = { consumer: other.name, socket: socket.name, provider: block.name, offer: offer.name };
        out.push({
          ...pair,
          interface: socket.interface,
          fit: mayTie(model, pair, catalogue),
          rank: socket.missing ? 2 : 3,
        });
      }
    }
  }
  return out.sort((a, b) => Number(b.fit.fits) - Number(a.fit.fits) || a.rank - b.rank);
}

/** Whether a module of the shelf would fit a chosen port, and by which of its own ports. */
export function moduleFits(model: Model, start: WireStart, module: Module): { fit: Fit; port?: string } {
  const block = blockOf(model, start.block);
  if (start.side === "need") {
    const socket = block?.sockets.find((it) => it.name === start.port);
    if (!socket) return { fit: no("the socket is gone") };
    const answers = module.offers.map((offer) => ({ port: offer.name, fit: serves(socket, offer) }));
    return (
      answers.find((it) => it.fit.fits) ??
      answers.sort(
        (a, b) => Number(whyOf(a.fit).includes("version")) - Number(whyOf(b.fit).includes("version")),
      )[0] ?? {
        fit: no(`offers nothing; needs ${socket.interface}`),
      }
    );
  }
  const offer = block?.offers.find((it) => it.name === start.port);
  if (!offer) return { fit: no("the offer is gone") };
  const answers = module.needs.map((need) => ({ port: need.socket, fit: serves(need, offer) }));
  return answers.find((it) => it.fit.fits) ?? { fit: no(`needs no ${offer.interface}`) };
}
const whyOf = (fit: Fit): string => (fit.fits ? "" : fit.why);

/** What the server wants as provider: the block alone if it has one offer of that interface. */
export function providerText(model: Model, pair: Pair): string {
  const provider = blockOf(model, pair.provider);
  const offer = provider?.offers.find((it) => it.name === pair.offer);
  const same = provider?.offers.filter((it) => it.interface === offer?.interface) ?? [];
  return same.length > 1 ? `${pair.provider}.${pair.offer}` : pair.provider;
}
