// What kind of trouble a failed verb ran into, read from what was said: a port, an image, a full disk,
// memory, a target that lacks something, a right. Pure. Where next: TroublePanel.tsx (what it shows).
import type { VerbError } from "./failure";

export type Trouble =
  | { kind: "port"; port: number | null }
  | {
      kind: "image";
      image: string | null;
      host: string | null;
      rights: boolean;
      asked: boolean;
      answer: string;
    }
  | { kind: "disk" }
  | { kind: "memory" }
  | { kind: "target"; lacks: string }
  | { kind: "right"; verb: string; what: string; where: string | null; who: string | null };

const IMAGE =
  /\b((?:[a-z0-9.-]+(?::\d+)?\/)?[a-z0-9][a-z0-9._/-]*(?::[A-Za-z0-9_][\w.-]*|@sha256:[0-9a-f]{12,64}))\b/;
const RIGHT =
  /(?:User "([^"]+)" )?cannot (\w+) resource "([^"]+)"(?:[^"]*"[^"]*")?(?: in the namespace "([^"]+)")?/;

/** The registry an image comes from: what stands before its first slash, if that is a host. */
export function hostOf(image: string): string {
  const first = image.split("/")[0] ?? "";
  return image.includes("/") && /[.:]|^localhost$/.test(first) ? first : "docker.io";
}

/** The trouble behind an error and the last lines it came with; null if it is none of these. */
export function troubleOf(error: VerbError, lines: readonly string[] = []): Trouble | null {
  const said = [error.message, error.cause, error.hint].filter(Boolean).join("\n");
  const all = [said, ...lines].join("\n");
  if (/No space left on device|disk quota exceeded|ENOSPC/i.test(all)) return { kind: "disk" };
  const right = RIGHT.exec(said);
  if (right || /\bforbidden\b/i.test(said)) {
    return {
      kind: "right",
      verb: right?.[2] ?? "do",
      what: right?.[3] ?? "this",
      where: right?.[4] ?? null,
      who: right?.[1] ?? null,
    };
  }
  const pulled = /ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull/.test(said);
  // What a Dockerfile builds on: the build names it in backquotes.
  const base = /image `([^`]+)` (?:is not|cannot|was not)/.exec(said)?.[1];
  if (error.code.startsWith("registry/") || pulled || base || /^image\//.test(error.code)) {
    const image = base ?? IMAGE.exec(said)?.[1] ?? null;
    const rights =
      /^registry\/(denied|login)$/.test(error.code) || /unauthorized|denied|\b401\b|\b403\b/i.test(said);
    return {
      kind: "image",
      image,
      host: image === null ? null : hostOf(image),
      rights,
      asked: error.code.startsWith("registry/") || pulled,
      answer: error.cause ?? error.message,
    };
  }
  if (/OOMKilled|more memory than it may|Insufficient memory|Cannot allocate memory|out of memory/i.test(all))
    return { kind: "memory" };
  const taken = lines
    .concat(said)
    .find((line) => /EADDRINUSE|address already in use|port\/taken/i.test(line));
  if (taken !== undefined || error.code === "port/taken") {
    const port = /(?:[:\s]|port )(\d{2,5})\b(?!.*[:\s]\d{2,5}\b)/.exec(taken ?? said)?.[1];
    return { kind: "port", port: port === undefined ? null : Number(port) };
  }
  if (/^(target|assumption|fact)\//.test(error.code)) return { kind: "target", lacks: error.message };
  return null;
}

export interface Used {
  what: string;
  bytes: number;
  /** Whether it can go without losing anything a person made; how, if so. */
  free: string | null;
}

interface SystemPart {
  images: { names?: string[]; name?: string; size_bytes?: number }[];
  disks: { app: string; block: string; disk: string; used_bytes?: number | null }[];
  data: Record<string, unknown>;
}

/** What fills the disk of the server, the largest first, and what of it is safe to let go. */
export function usesOf(system: SystemPart): Used[] {
  const found: Used[] = [];
  for (const it of system.disks) {
    if (it.used_bytes)
      found.push({ what: `data of ${it.block} in ${it.app} (${it.disk})`, bytes: it.used_bytes, free: null });
  }
  // Tags that name no running version: an older build of the same block, or a base that is fetched again.
  for (const it of system.images) {
    const names = it.names ?? (it.name ? [it.name] : []);
    const now = names.some((name) => name.startsWith("shelf.local/") && name.endsWith(":latest"));
    const old = names.length > 0 && names.every((name) => name.startsWith("shelf.local/")) && !now;
    if (it.size_bytes)
      found.push({
        what: `image ${names[0] ?? "without a name"}`,
        bytes: it.size_bytes,
        free: old ? "an earlier build: only going back to its release needs it" : null,
      });
  }
  for (const [key, value] of Object.entries(system.data)) {
    if (typeof value !== "number" || value <= 0) continue;
    if (key === "logs_bytes" || key === "logs")
      found.push({ what: "logs", bytes: value, free: "old ones are dropped by themselves as they grow" });
    if (/^(cache|build|builds)(_bytes)?$/.test(key))
      found.push({ what: "build cache", bytes: value, free: "the next build of each block is slower, once" });
  }
  return found.sort((a, b) => b.bytes - a.bytes);
}
