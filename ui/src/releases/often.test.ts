import { describe, expect, it } from "vitest";
import { cronOf, oftenOf } from "./often";

describe("how often", () => {
  it("what a person chose is read back as that", () => {
    for (const every of [null, "0 * * * *", "0 3 * * *", "45 23 * * *", "5 0 * * 0"])
      expect(cronOf(oftenOf(every))).toBe(every);
    expect(oftenOf("45 23 * * *")).toMatchObject({ often: "daily", at: "23:45" });
    expect(oftenOf("5 0 * * 0")).toMatchObject({ often: "weekly", at: "00:05" });
  });
  it("what has no words stays as it is", () => {
    for (const every of ["*/5 * * * *", "0 3 1 * *", "0 3 * * 1-5", "99 3 * * *", "@daily", "0 3 * *"]) {
      expect(oftenOf(every).often).toBe("other");
      expect(cronOf(oftenOf(every))).toBe(every);
    }
  });
});
