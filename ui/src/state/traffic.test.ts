import { describe, expect, it } from "vitest";
import { trafficOf, trafficWords } from "./traffic";

const metrics = (requests: number, errors = 0) => ({
  every_seconds: 10,
  points: [
    { at: "", blocks: { web: { requests: 999 } } },
    { at: "", blocks: { web: { requests, errors } } },
  ],
});

describe("traffic", () => {
  it("is what the last interval counted, per second", () => {
    expect(trafficOf(metrics(24), "web")).toEqual({ perSecond: 2.4, failed: 0 });
    expect(trafficWords({ perSecond: 2.4, failed: 0 })).toBe("2.4/s");
    expect(trafficWords({ perSecond: 120.4, failed: 0.001 })).toBe("120/s, 1 % errors");
  });
  it("is nothing where nothing was counted", () => {
    expect(trafficOf(metrics(0), "web")).toBeNull();
    expect(trafficOf(metrics(5), "db")).toBeNull();
    expect(trafficOf(undefined, "web")).toBeNull();
  });
});
