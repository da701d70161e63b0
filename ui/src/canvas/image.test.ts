import { describe, expect, it } from "vitest";
import { isImage, nameIn } from "./image";

describe("images", () => {
  it("give their block a name", () => {
    expect(nameIn("ghcr.io/org/web:1.4")).toBe("web");
    expect(nameIn("localhost:5000/team/My_App@sha256:00")).toBe("my-app");
    expect(nameIn("redis")).toBe("redis");
    expect(nameIn(" ")).toBe("image");
  });
  it("are told from other words that are dropped", () => {
    for (const text of ["ghcr.io/org/web:1.4", "redis:7", "localhost:5000/x", "quay.io/a/b@sha256:0a"])
      expect(isImage(text), text).toBe(true);
    for (const text of ["hello world", "https://ghcr.io/org/web", "redis", "a/b", "./web", "x: y", "redis:"])
      expect(isImage(text), text).toBe(false);
  });
});
