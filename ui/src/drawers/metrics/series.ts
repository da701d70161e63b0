/** Metric points as columns to draw, and as words for who does not look. Pure. */
import type { MetricPoint } from "../../api/types";
import { bytes, cores } from "../../system/words";

export type Measure = "cpu_millis" | "memory_bytes" | "disk_bytes" | "requests" | "errors";

export interface MeasureWords {
  measure: Measure;
  title: string;
  format(value: number): string;
  /** What lies between two lines of its axis; decimal steps if absent. */
  steps?: number[];
}

/** Sizes are counted in powers of two, so that an axis reads 2, 4, 6 MiB. */
const BINARY = Array.from({ length: 45 }, (_, power) => 2 ** power);

export const MEASURES: readonly MeasureWords[] = [
  { measure: "cpu_millis", title: "Processor", format: cores },
  { measure: "memory_bytes", title: "Memory", format: bytes, steps: BINARY },
  { measure: "disk_bytes", title: "Disk", format: bytes, steps: BINARY },
  { measure: "requests", title: "Requests", format: (value) => value.toLocaleString("en") },
  { measure: "errors", title: "Errors", format: (value) => value.toLocaleString("en") },
];

export interface Columns {
  /** Seconds since the epoch. */
  times: number[];
  series: { block: string; values: (number | null)[] }[];
}

/** One measure of some blocks over time; what was not measured is a gap, not zero. */
export function columns(points: readonly MetricPoint[], measure: Measure, block: string | null): Columns {
  const names = new Set<string>();
  for (const point of points) for (const name of Object.keys(point.blocks)) names.add(name);
  const wanted = [...names].filter((name) => block === null || name === block).sort();
  const times = points.map((point) => Date.parse(point.at) / 1000);
  const series = wanted.map((name) => ({
    block: name,
    values: points.map((point) => point.blocks[name]?.[measure] ?? null),
  }));
  return { times, series: series.filter((one) => one.values.some((value) => value !== null)) };
}

export interface Summary {
  block: string;
  now: number | null;
  least: number;
  most: number;
}

/** The last, least and most of each series. */
export function summaries(from: Columns): Summary[] {
  return from.series.map(({ block, values }) => {
    const known = values.filter((value): value is number => value !== null);
    return {
      block,
      now: known.at(-1) ?? null,
      least: Math.min(...known),
      most: Math.max(...known),
    };
  });
}

/** Points of a small line, 0 to 1 each way, for the row of an app; empty if nothing is known. */
export function spark(points: readonly MetricPoint[], measure: Measure): [number, number][] {
  const sums = points.map((point) => {
    const values = Object.values(point.blocks)
      .map((block) => block[measure])
      .filter((value): value is number => value !== undefined && value !== null);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  });
  const known = sums.filter((value): value is number => value !== null);
  if (known.length < 2) return [];
  const most = Math.max(...known, 1);
  const found: [number, number][] = [];
  sums.forEach((value, index) => {
    if (value !== null) found.push([index / Math.max(1, sums.length - 1), value / most]);
  });
  return found;
}
