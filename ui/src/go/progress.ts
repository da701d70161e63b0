/**
 * What a verb has said so far, as one value: the events of `apps` folded, block by block. Pure:
 * the same events give the same picture, whether they came live or after a reconnect.
 */
import { list } from "../system/words";

/** An event of a verb, as docs/formats/verbs.md has it; kinds that are not known are ignored. */
export interface VerbEvent {
  event: string;
  block?: string;
  name?: string;
  text?: string;
  line?: string;
  index?: number;
  count?: number;
  cached?: boolean;
  state?: string;
  detail?: string;
  seconds?: number;
  consumer?: string;
  provider?: string;
  interface?: string;
  url?: string | null;
}

export interface BlockProgress {
  name: string;
  /** As the verb said it: building, built, starting, preparing, ready, unchanged, failing, … */
  state: string;
  detail: string;
  /** Seconds since the verb began when this state was reached. */
  seconds: number | null;
  step: { index: number; count: number; text: string; cached: boolean } | null;
  /** The last lines that its build printed. */
  output: string[];
  /** The copies that are ready, of how many; only if the verb said so. */
  copies: { ready: number; wanted: number } | null;
}

export interface WireProgress {
  consumer: string;
  provider: string;
  interface: string;
  state: "planned" | "granted" | "probed" | "refused";
}

export interface Progress {
  /** In the order in which the verb first named them. */
  blocks: BlockProgress[];
  wires: WireProgress[];
  notes: string[];
  plan: string[];
  done: { url: string | null; seconds: number } | null;
}

export const NOTHING: Progress = { blocks: [], wires: [], notes: [], plan: [], done: null };

/** So many lines of a build's output are kept per block. */
const OUTPUT = 30;

function blank(name: string): BlockProgress {
  return { name, state: "waiting", detail: "", seconds: null, step: null, output: [], copies: null };
}

function change(progress: Progress, name: string, to: (block: BlockProgress) => BlockProgress): Progress {
  const known = progress.blocks.some((block) => block.name === name);
  const blocks = known
    ? progress.blocks.map((block) => (block.name === name ? to(block) : block))
    : [...progress.blocks, to(blank(name))];
  return { ...progress, blocks };
}

const COPIES = /\b(\d+) ?(?:\/|of) ?(\d+)\b/;

/** The picture after one more event. */
export function fold(progress: Progress, event: VerbEvent): Progress {
  switch (event.event) {
    case "plan":
      return { ...progress, plan: [...progress.plan, event.line ?? ""] };
    case "note":
      return { ...progress, notes: [...progress.notes, event.text ?? ""] };
    case "base":
      return change(progress, event.block ?? "", (block) => ({
        ...block,
        state: "building",
        detail: event.text ?? "",
      }));
    case "build-step":
      return change(progress, event.block ?? "", (block) => ({
        ...block,
        state: "building",
        detail: event.text ?? "",
        step: {
          index: event.index ?? 0,
          count: event.count ?? 0,
          text: event.text ?? "",
          cached: event.cached ?? false,
        },
      }));
    case "build-output":
      return change(progress, event.block ?? "", (block) => ({
        ...block,
        output: [...block.output, event.line ?? ""].slice(-OUTPUT),
      }));
    case "block":
      return change(progress, event.name ?? "", (block) => {
        const copies = COPIES.exec(event.detail ?? "");
        return {
          ...block,
          state: event.state ?? block.state,
          detail: event.detail ?? "",
          seconds: event.seconds ?? block.seconds,
          copies: copies ? { ready: Number(copies[1]), wanted: Number(copies[2]) } : block.copies,
        };
      });
    case "wire": {
      const wire: WireProgress = {
        consumer: event.consumer ?? "",
        provider: event.provider ?? "",
        interface: event.interface ?? "",
        state: (event.state as WireProgress["state"]) ?? "granted",
      };
      const same = (one: WireProgress) => one.consumer === wire.consumer && one.provider === wire.provider;
      const wires = progress.wires.some(same)
        ? progress.wires.map((one) => (same(one) ? wire : one))
        : [...progress.wires, wire];
      return { ...progress, wires };
    }
    case "done":
      return { ...progress, done: { url: event.url ?? null, seconds: event.seconds ?? 0 } };
    default:
      return progress;
  }
}

/** The picture after these events. */
export function progressOf(events: readonly VerbEvent[]): Progress {
  return events.reduce(fold, NOTHING);
}

/** Names a block that the app has and the verb has not spoken of yet, as waiting. */
export function withBlocks(progress: Progress, names: readonly string[]): Progress {
  const known = new Set(progress.blocks.map((block) => block.name));
  const missing = names.filter((name) => !known.has(name)).map(blank);
  return missing.length === 0 ? progress : { ...progress, blocks: [...progress.blocks, ...missing] };
}

const FINISHED = new Set(["ready", "unchanged", "stopped", "removed"]);

export function finished(block: BlockProgress): boolean {
  return FINISHED.has(block.state);
}

/** How much of a block's bar is known: build step n of m, or copies ready; otherwise unknown. */
export function bar(block: BlockProgress): { value: number; of: number } | "done" | "unknown" {
  if (finished(block)) return "done";
  if (block.state === "building" && block.step !== null && block.step.count > 0) {
    // A step that is named has begun, not ended.
    const ended = block.step.cached ? block.step.index : block.step.index - 1;
    return { value: ended, of: block.step.count };
  }
  if (block.state === "built") return { value: 1, of: 1 };
  if (block.copies !== null && block.copies.wanted > 0) {
    return { value: block.copies.ready, of: block.copies.wanted };
  }
  return "unknown";
}

/** What a block is doing, in words: `building, step 3 of 7`. */
export function doing(block: BlockProgress): string {
  switch (block.state) {
    case "building":
      return block.step === null
        ? `building: ${block.detail || "base image"}`
        : `building, step ${block.step.index} of ${block.step.count}${block.step.cached ? " (cached)" : ""}`;
    case "built":
      return "image is there, waits for its turn";
    case "preparing":
      return block.detail === "" ? "steps before the start" : `before the start: ${block.detail}`;
    case "starting":
      return block.copies === null
        ? "starting"
        : `starting, ${block.copies.ready} of ${block.copies.wanted} copies ready`;
    case "ready":
      return block.seconds === null ? "ready" : `ready after ${block.seconds.toFixed(1)} s`;
    case "failing":
      return block.detail === "" ? "failing" : `failing: ${block.detail}`;
    default:
      return block.state;
  }
}

/** One sentence about what is new between two pictures; null if nothing worth saying is. */
export function spoken(before: Progress, after: Progress): string | null {
  const was = new Map(before.blocks.map((block) => [block.name, block.state]));
  const moved = after.blocks.filter((block) => was.get(block.name) !== block.state);
  if (moved.length === 0) return null;
  const by = new Map<string, string[]>();
  for (const block of moved) by.set(block.state, [...(by.get(block.state) ?? []), block.name]);
  by.delete("waiting");
  const phrases = [...by].map(([state, names]) => `${list(names)} ${state}`);
  if (phrases.length === 0) return null;
  const ready = after.blocks.filter(finished).length;
  return `${phrases.join("; ")}, ${ready} of ${after.blocks.length} done`;
}
