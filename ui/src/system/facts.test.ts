import { describe, expect, it } from "vitest";
import { facts, share, sizeOf, titleCase } from "./facts";

describe("facts", () => {
  it("names and values are words", () => {
    expect(
      facts({ cpus: 2, memory_bytes: 1024 ** 3, up_seconds: 90, cgroup: "v2", gone: null, root: true }),
    ).toEqual([
      { name: "Cores", value: "2" },
      { name: "Memory", value: "1.0 GiB" },
      { name: "Up", value: "1 min 30 s" },
      { name: "Cgroup", value: "v2" },
      { name: "Root", value: "yes" },
    ]);
  });
  it("shows keys that come later, nested ones too", () => {
    expect(facts({ a_b: { c_bytes: 2048 }, list: ["x", "y"], none: [] })).toEqual([
      { name: "A b", value: "C 2.0 KiB" },
      { name: "List", value: "x, y" },
    ]);
    expect(facts({ bytes: 2048 }, true)).toEqual([{ name: "Disk, all of it", value: "2.0 KiB" }]);
    expect(titleCase("data_dir")).toBe("Data dir");
  });
  it("reads quantities as Kubernetes writes them", () => {
    expect(sizeOf("20Gi")).toBe(20 * 1024 ** 3);
    expect(sizeOf("1.5M")).toBe(1_500_000);
    expect(sizeOf("large")).toBeNull();
    expect(share(5, sizeOf("10"))).toBe(0.5);
    expect(share(null, 10)).toBeNull();
    expect(share(5, 0)).toBeNull();
  });
});
