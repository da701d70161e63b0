import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encode } from "./encode";
import { onlyHere } from "./QrDialog";

const print = (text: string) =>
  createHash("sha256")
    .update((encode(text) ?? []).map((row) => row.map((it) => (it ? "#" : ".")).join("")).join("\n"))
    .digest("hex")
    .slice(0, 16);

describe("QR codes", () => {
  // Each was read back by zbar when it was written down here.
  it.each([
    ["http://shop.localhost:18080", 29, "eaf5600df5fdd482"],
    ["a", 21, "0b2a5ded825360b8"],
    ["https://shop.example.com/some/quite/long/path?with=query&and=more-of-it", 37, "cd43426eacecce32"],
    ["z".repeat(213), 57, "e1472b1a94a2ad88"],
  ])("of %s are as they were read", (text, size, seen) => {
    const code = encode(text);
    expect(code?.length).toBe(size);
    expect(print(text)).toBe(seen);
  });
  it("are not made of what is too long", () => {
    expect(encode("x".repeat(214))).toBeNull();
  });
  it("come with the truth about who gets there", () => {
    expect(onlyHere("http://shop.localhost:8080")).toBe(true);
    expect(onlyHere("http://127.0.0.1/")).toBe(true);
    expect(onlyHere("https://shop.example.com")).toBe(false);
  });
});
