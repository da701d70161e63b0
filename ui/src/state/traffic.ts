// Requests that really went through the front door to a block, from the last point that was measured.
// What goes over wires between blocks is not counted by anybody, so nothing is said of it. Pure.
import type { Metrics } from "../api/types";

export interface Traffic {
  perSecond: number;
  /** Share of them answered 500 and above, 0 to 1. */
  failed: number;
}

/** The traffic of a block in the last interval; null if there was none or nothing is measured. */
export function trafficOf(
  metrics: Pick<Metrics, "points" | "every_seconds"> | undefined,
  block: string,
): Traffic | null {
  const last = metrics?.points.at(-1)?.blocks[block];
  const requests = last?.requests ?? 0;
  if (!metrics || requests <= 0) return null;
  return { perSecond: requests / metrics.every_seconds, failed: (last?.errors ?? 0) / requests };
}

/** `2.4/s`, `120/s, 3 % errors`. */
export function trafficWords({ perSecond, failed }: Traffic): string {
  const rate = perSecond >= 10 ? Math.round(perSecond).toString() : perSecond.toFixed(1);
  const errors = failed > 0 ? `, ${Math.max(1, Math.round(failed * 100))} % errors` : "";
  return `${rate}/s${errors}`;
}
