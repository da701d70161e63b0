/** When what is shown may no longer be so. Pure; `useAge.ts` drives it with a clock. */
import { seconds } from "./words";

/** After so long without a word from the server, a status is stale. */
export const STALE_AFTER_MS = 15_000;
/** Between pings (5 s) and this, nothing is said. */
export const AGED_AFTER_MS = 7_000;

export type Freshness = { kind: "fresh" } | { kind: "aged"; text: string } | { kind: "stale"; text: string };

/** How fresh a status is that was last confirmed at `heard` (ms since the epoch; null: never). */
export function freshness(heard: number | null, now: number): Freshness {
  if (heard === null) return { kind: "stale", text: "no word yet" };
  const age = Math.max(0, now - heard);
  if (age < AGED_AFTER_MS) return { kind: "fresh" };
  const text = `${seconds(Math.floor(age / 1000))} old`;
  return age < STALE_AFTER_MS ? { kind: "aged", text } : { kind: "stale", text };
}

/** Waiting times between attempts to reach the server, in seconds. */
const WAITS = [1, 2, 3, 5, 5, 10];

/** How long to wait before attempt number `attempt` (from 0), in ms. */
export function waitBefore(attempt: number): number {
  return (WAITS[Math.min(attempt, WAITS.length - 1)] ?? 10) * 1000;
}
