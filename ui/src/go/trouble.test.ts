import { describe, expect, it } from "vitest";
import { hostOf, troubleOf, usesOf } from "./trouble";

const error = (code: string, message: string, cause?: string) => ({ code, message, cause });

describe("trouble", () => {
  it("a port in a log line of the block", () => {
    const lines = ["starting", "Error: listen EADDRINUSE: address already in use 0.0.0.0:8080"];
    expect(troubleOf(error("start/crash", "web stopped 3 times"), lines)).toEqual({
      kind: "port",
      port: 8080,
    });
    expect(troubleOf(error("start/crash", "x"), ["bind: address already in use"])).toEqual({
      kind: "port",
      port: null,
    });
  });
  it("an image that is not there, or not for us", () => {
    const gone = error(
      "registry/missing",
      "there is no ghcr.io/me/app:9",
      "404 MANIFEST_UNKNOWN: manifest unknown",
    );
    expect(troubleOf(gone)).toMatchObject({
      kind: "image",
      image: "ghcr.io/me/app:9",
      host: "ghcr.io",
      rights: false,
    });
    const shut = error("registry/denied", "registry.example:5000/a/b:1 is refused", "401 unauthorized");
    expect(troubleOf(shut)).toMatchObject({
      host: "registry.example:5000",
      rights: true,
      answer: "401 unauthorized",
    });
    const pull = error(
      "start/crash",
      "web",
      "cannot be started: ErrImagePull no such image nginx:9.9 (web-1)",
    );
    expect(troubleOf(pull)).toMatchObject({ kind: "image", image: "nginx:9.9", host: "docker.io" });
    const base = error(
      "build/failed",
      "cannot build two",
      "FROM ghcr.io/a/b:9: image `ghcr.io/a/b:9` is not in the local store",
    );
    expect(troubleOf(base)).toMatchObject({ kind: "image", image: "ghcr.io/a/b:9", host: "ghcr.io" });
    expect(hostOf("library/debian:12")).toBe("docker.io");
  });
  it("a full disk comes before whatever failed because of it", () => {
    expect(troubleOf(error("image/store", "image store: write", "No space left on device"))).toEqual({
      kind: "disk",
    });
  });
  it("memory, a right, a lack of the target", () => {
    const much = error("start/crash", "db", "stopped 3 times, it used more memory than it may (db-0)");
    expect(troubleOf(much)).toEqual({ kind: "memory" });
    const right =
      'namespaces is forbidden: User "ana" cannot create resource "deployments" in API group "apps" in the namespace "shop"';
    expect(troubleOf(error("api/refused", "cannot apply", right))).toEqual({
      kind: "right",
      verb: "create",
      what: "deployments",
      where: "shop",
      who: "ana",
    });
    expect(troubleOf(error("target/storage", "the cluster has no class for disks"))).toEqual({
      kind: "target",
      lacks: "the cluster has no class for disks",
    });
  });
  it("is nothing it does not know", () => {
    expect(
      troubleOf(error("start/crash", "web stopped 3 times, exit code 1"), ["TypeError: x at app.js:120"]),
    ).toBeNull();
    expect(troubleOf(error("wire/version", "postgres 15 does not fit >=16"))).toBeNull();
  });
  it("says what fills the disk and what may go", () => {
    const used = usesOf({
      images: [
        { names: ["shelf.local/shop/db:1", "shelf.local/shop/db:latest"], size_bytes: 30 },
        { names: ["shelf.local/shop/db:0"], size_bytes: 20 },
      ],
      disks: [{ app: "shop", block: "db", disk: "data", used_bytes: 100 }],
      data: { logs: 5, dir: "/x" },
    });
    expect(used.map((it) => [it.bytes, it.free !== null])).toEqual([
      [100, false],
      [30, false],
      [20, true],
      [5, true],
    ]);
  });
});
