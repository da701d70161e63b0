import { describe, expect, it } from "vitest";
import { freshness, STALE_AFTER_MS, waitBefore } from "./staleness";
import { ago, bytes, clock, count, list, seconds } from "./words";

describe("words", () => {
  it("sizes have one unit and few digits", () => {
    expect(bytes(0)).toBe("0 B");
    expect(bytes(1023)).toBe("1023 B");
    expect(bytes(1536)).toBe("1.5 KiB");
    expect(bytes(512 * 1024 * 1024)).toBe("512 MiB");
    expect(bytes(Number.NaN)).toBe("–");
  });
  it("lengths of time use at most two units", () => {
    expect(seconds(0.42)).toBe("0.4 s");
    expect(seconds(59.7)).toBe("1 min");
    expect(seconds(72)).toBe("1 min 12 s");
    expect(seconds(3 * 3600 + 240)).toBe("3 h 4 min");
    expect(seconds(2 * 86_400)).toBe("2 d");
  });
  it("ages never come from the future", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(ago("2026-01-01T00:00:05Z", now)).toBe("just now");
    expect(ago("2025-12-31T23:59:18Z", now)).toBe("42 s ago");
    expect(ago("2025-12-30T00:00:00Z", now)).toBe("2 d ago");
    expect(ago(null, now)).toBe("never");
    expect(ago("nonsense", now)).toBe("never");
  });
  it("a clock that cannot be read is shown as it came", () => {
    expect(clock("2026-03-04T05:06:07.089Z", "utc")).toBe("05:06:07.089");
    expect(clock("soon", "utc")).toBe("soon");
  });
  it("counts and lists read as sentences", () => {
    expect(count(1, "block")).toBe("1 block");
    expect(count(12_000, "line")).toBe("12,000 lines");
    expect(list(["a", "b", "c"])).toBe("a, b and c");
  });
});

describe("freshness", () => {
  it("turns stale after fifteen seconds", () => {
    const heard = 1_000_000;
    expect(freshness(heard, heard + 5_000)).toEqual({ kind: "fresh" });
    expect(freshness(heard, heard + 9_000)).toEqual({ kind: "aged", text: "9 s old" });
    expect(freshness(heard, heard + STALE_AFTER_MS)).toEqual({ kind: "stale", text: "15 s old" });
    expect(freshness(null, heard).kind).toBe("stale");
  });
  it("waits longer between attempts, but never long", () => {
    const waits = Array.from({ length: 20 }, (_, attempt) => waitBefore(attempt));
    expect(waits[0]).toBe(1_000);
    expect(Math.max(...waits)).toBe(10_000);
    expect([...waits].sort((a, b) => a - b)).toEqual(waits);
  });
});
