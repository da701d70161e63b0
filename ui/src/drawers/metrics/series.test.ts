import { describe, expect, it } from "vitest";
import type { MetricPoint } from "../../api/types";
import { columns, spark, summaries } from "./series";

const points: MetricPoint[] = [
  { at: "2026-01-01T00:00:00Z", blocks: { db: { cpu_millis: 10 } } },
  { at: "2026-01-01T00:00:10Z", blocks: { db: { cpu_millis: 30 }, web: { cpu_millis: 70, requests: 4 } } },
];

describe("series", () => {
  it("what was not measured is a gap, not zero", () => {
    const found = columns(points, "cpu_millis", null);
    expect(found.times[1]).toBe(1767225610);
    expect(found.series).toEqual([
      { block: "db", values: [10, 30] },
      { block: "web", values: [null, 70] },
    ]);
  });
  it("a measure that nobody has is no series", () => {
    expect(columns(points, "requests", null).series.map((one) => one.block)).toEqual(["web"]);
    expect(columns(points, "errors", null).series).toEqual([]);
  });
  it("sums up what is drawn", () => {
    expect(summaries(columns(points, "cpu_millis", "db"))).toEqual([
      { block: "db", now: 30, least: 10, most: 30 },
    ]);
  });
  it("a spark needs two points", () => {
    expect(spark(points, "cpu_millis")).toEqual([
      [0, 0.1],
      [1, 1],
    ]);
    expect(spark(points.slice(1), "cpu_millis")).toEqual([]);
  });
});
