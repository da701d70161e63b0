import { describe, expect, it } from "vitest";
import { pageAt, targetIn } from "./target";

describe("the target in an address", () => {
  it("is what stands after /on/, and nothing else", () => {
    expect(targetIn("/on/prod/apps/shop")).toEqual({ base: "/on/prod", target: "prod" });
    expect(targetIn("/on/prod")).toEqual({ base: "/on/prod", target: "prod" });
    for (const path of ["/", "/apps/on", "/on/", "/on/A/apps", "/on/%2e%2e/apps", "/on/local/apps/shop"])
      expect(targetIn(path)).toEqual({ base: "", target: null });
  });

  it("changes and the page stays", () => {
    const at = (pathname: string) => ({ pathname, search: "?block=db" });
    expect(pageAt("prod", at("/apps/shop"))).toBe("/on/prod/apps/shop?block=db");
    expect(pageAt("local", at("/on/prod/apps/shop"))).toBe("/apps/shop?block=db");
    expect(pageAt("stage", at("/on/prod"))).toBe("/on/stage/?block=db");
  });
});
