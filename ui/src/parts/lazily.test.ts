import { describe, expect, it } from "vitest";
import { persistently } from "./lazily";

describe("persistently", () => {
  it("tries again, and hands on what came at last", async () => {
    let tries = 0;
    const load = () => (++tries < 3 ? Promise.reject(new Error("network changed")) : Promise.resolve("part"));
    expect(await persistently(load, [1, 1, 1])).toBe("part");
    expect(tries).toBe(3);
  });
  it("gives up with the last error", async () => {
    let tries = 0;
    const load = () => Promise.reject(new Error(`no ${++tries}`));
    await expect(persistently(load, [1])).rejects.toThrow("no 2");
  });
});
