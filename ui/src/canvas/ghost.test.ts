import { describe, expect, it } from "vitest";
import type { Block, Catalogue, Model } from "../api/types";
import { ghostsOf } from "./ghost";

const block = (name: string, kind: "module" | "source", more: Partial<Block>): Block =>
  ({ name, from: { kind }, sockets: [], offers: [], ...more }) as unknown as Block;
const need = (name: string, of: string) =>
  ({ name, interface: of, limits: [], cardinality: "one", providers: [], missing: true }) as never;
const offer = (name: string, of: string) => ({ name, interface: of, facts: {} }) as never;
const model = (blocks: Block[], wires: unknown[] = []) => ({ app: "a", blocks, wires }) as unknown as Model;
const module = (name: string, version: string, of: string) => ({
  name,
  version,
  summary: "",
  aliases: [],
  group: "data",
  offers: [offer("x", of)],
  needs: [],
  settings: [],
  assumes: [],
  extend: [],
});
const catalogue = {
  interfaces: [],
  modules: [
    module("postgres", "15.1", "postgres/1"),
    module("postgres", "17.1", "postgres/1"),
    module("redis", "7.0", "redis/1"),
  ],
} as unknown as Catalogue;

describe("the next step", () => {
  it("ties an open socket to what is there, or adds what is on the shelf, in its newest version", () => {
    const web = block("web", "source", { sockets: [need("db", "postgres/1")] });
    expect(ghostsOf(model([web]), "web", catalogue)).toMatchObject([
      { do: "add", module: { version: "17.1" }, socket: "db" },
    ]);
    const db = block("store", "module", { offers: [offer("sql", "postgres/1")] });
    expect(ghostsOf(model([web, db]), "web", catalogue).map((it) => it.label)).toEqual([
      "tie db to store",
      "add postgres for db",
    ]);
  });
  it("lets a source use what nobody uses yet", () => {
    const web = block("web", "source", {});
    const cache = block("cache", "module", { offers: [offer("r", "redis/1")] });
    expect(ghostsOf(model([web, cache]), "cache", catalogue)).toMatchObject([
      {
        label: "let web use cache",
        edits: [
          { verb: "need", socket: "cache", interface: "redis/1" },
          { verb: "wire", provider: "cache" },
        ],
      },
    ]);
    expect(ghostsOf(model([cache]), "cache", catalogue)).toMatchObject([{ do: "source" }]);
  });
  it("offers nothing where nothing is open", () => {
    const cache = block("cache", "module", { offers: [offer("r", "redis/1")] });
    expect(
      ghostsOf(model([block("web", "source", {}), cache], [{ provider: "cache" }]), "cache", catalogue),
    ).toEqual([]);
    expect(ghostsOf(model([block("web", "source", {})]), "web", catalogue)).toEqual([]);
    expect(ghostsOf(model([]), "web", catalogue)).toEqual([]);
  });
});
