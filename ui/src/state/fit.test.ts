import { describe, expect, it } from "vitest";
import type { Block, Catalogue, Model, Module } from "../api/types";
import { brokenLimit, choices, compareVersions, fits, mayTie, moduleFits, providerText } from "./fit";

const block = (name: string, more: Partial<Block>): Block => ({
  name,
  from: { kind: "source", path: `./${name}` },
  rung: 4,
  line: 1,
  summary: "",
  public: false,
  settings: [],
  sockets: [],
  offers: [],
  processes: [],
  disks: [],
  secrets: [],
  env: [],
  before: [],
  assumptions: [],
  extend: [],
  staged: null,
  ...more,
});
const socket = (name: string, type: string, limits: string[] = [], providers: string[] = []) => ({
  name,
  interface: type,
  limits,
  cardinality: "one" as const,
  providers,
  missing: providers.length === 0,
});
const offer = (name: string, type: string, version: string, max?: number | null) => ({
  name,
  interface: type,
  facts: { version },
  max,
});
const wire = (consumer: string, name: string, provider: string, its: string, type = "postgres/1") => ({
  consumer,
  socket: name,
  provider,
  offer: its,
  interface: type,
  before_start: type !== "http/1",
  limits: [],
  fields: [],
  creates: [],
});
const model = (blocks: Block[], wires: Model["wires"] = []): Model => ({
  app: "a",
  dir: "/a",
  revision: "r",
  valid: true,
  diagnostics: [],
  changes: [],
  history: { undo: null, redo: null },
  blocks,
  wires,
});
const catalogue = {
  interfaces: [
    { name: "postgres/1", summary: "", order: "before-start", letter: "P", fields: [] },
    { name: "http/1", summary: "", order: "any", letter: "H", fields: [] },
  ],
  modules: [],
} as Catalogue;

describe("versions", () => {
  it("are compared by number, not by letter", () => {
    expect(compareVersions("9.2", "10.0")).toBe(-1);
    expect(compareVersions("15.1.0", "15.1")).toBe(0);
  });
  it("meet every rule of a limit", () => {
    expect(brokenLimit(["version >=14, <16"], { version: "15" })).toBeNull();
    expect(brokenLimit(["version >=14, <16"], { version: "16" })).toBe("offers version 16, needs >=14, <16");
  });
  it("with = take any below the parts written", () => {
    expect(brokenLimit(["version =15"], { version: "15.4" })).toBeNull();
    expect(brokenLimit(["version =15"], { version: "16" })).not.toBeNull();
  });
  it("that nobody states are said to be missing", () => {
    expect(brokenLimit(["version >=14"], {})).toContain("does not say its version");
  });
  it("take the limit in parts too, and sets of words", () => {
    expect(
      brokenLimit([{ fact: "extensions", rule: "pg_trgm" }], { extensions: "hstore, pg_trgm" }),
    ).toBeNull();
    expect(brokenLimit([{ fact: "extensions", rule: "postgis" }], { extensions: "hstore" })).not.toBeNull();
  });
});

describe("tying", () => {
  const web = block("web", {
    sockets: [socket("db", "postgres/1", ["version >=16"]), socket("peer", "http/1")],
    offers: [offer("web", "http/1", "1")],
  });
  const old = block("db", { offers: [offer("sql", "postgres/1", "15")] });
  const fresh = block("new", { offers: [offer("sql", "postgres/1", "16", 1)] });
  it("says the rule that is broken", () => {
    const app = model([web, old]);
    expect(mayTie(app, { consumer: "web", socket: "db", provider: "db", offer: "sql" })).toEqual({
      fits: false,
      why: "offers version 15, needs >=16",
    });
    expect(mayTie(app, { consumer: "web", socket: "peer", provider: "db", offer: "sql" })).toEqual({
      fits: false,
      why: "offers postgres/1, needs http/1",
    });
  });
  it("refuses itself, the same wire twice, and more than the offer takes", () => {
    const app = model([web, fresh], [wire("web", "db", "new", "sql")]);
    expect(mayTie(app, { consumer: "web", socket: "peer", provider: "web", offer: "web" }).fits).toBe(false);
    expect(mayTie(app, { consumer: "web", socket: "db", provider: "new", offer: "sql" })).toMatchObject({
      why: "is tied already",
    });
    const two = model(
      [web, fresh, block("b", { sockets: [socket("db", "postgres/1")] })],
      [wire("web", "db", "new", "sql")],
    );
    expect(mayTie(two, { consumer: "b", socket: "db", provider: "new", offer: "sql" })).toMatchObject({
      why: "takes 1 wires and has them",
    });
  });
  it("refuses a circle of what must start first, and allows one of http", () => {
    const a = block("a", {
      sockets: [socket("x", "postgres/1"), socket("h", "http/1")],
      offers: [offer("o", "postgres/1", "1"), offer("w", "http/1", "1")],
    });
    const b = block("b", {
      sockets: [socket("x", "postgres/1")],
      offers: [offer("o", "postgres/1", "1"), offer("w", "http/1", "1")],
    });
    const app = model([a, b], [wire("b", "x", "a", "o")]);
    expect(mayTie(app, { consumer: "a", socket: "x", provider: "b", offer: "o" }, catalogue)).toMatchObject({
      fits: false,
    });
    expect(mayTie(app, { consumer: "a", socket: "h", provider: "b", offer: "w" }, catalogue).fits).toBe(true);
  });
  it("takes an offer without a limit, also where the limit is written as null", () => {
    const free = block("free", { offers: [offer("sql", "postgres/1", "16", null)] });
    const pair = { consumer: "web", socket: "db", provider: "free", offer: "sql" };
    expect(mayTie(model([web, free]), pair).fits).toBe(true);
  });
  it("goes both ways and refuses two of a side", () => {
    const app = model([web, fresh]);
    const need = { block: "web", port: "db", side: "need" as const };
    const give = { block: "new", port: "sql", side: "offer" as const };
    expect(fits(app, need, give).fits).toBe(true);
    expect(fits(app, give, need).fits).toBe(true);
    expect(fits(app, need, { block: "web", port: "peer", side: "need" })).toMatchObject({ fits: false });
  });
  it("lists what fits before what does not", () => {
    const list = choices(model([web, old, fresh]), web);
    expect(list.map((it) => [it.provider, it.fit.fits])).toEqual([
      ["new", true],
      ["db", false],
    ]);
  });
  it("names the offer only where the block has two of that interface", () => {
    const two = block("two", { offers: [offer("a", "postgres/1", "16"), offer("b", "postgres/1", "16")] });
    expect(providerText(model([two]), { consumer: "web", socket: "db", provider: "two", offer: "b" })).toBe(
      "two.b",
    );
    expect(
      providerText(model([fresh]), { consumer: "web", socket: "db", provider: "new", offer: "sql" }),
    ).toBe("new");
  });
  it("tells which modules of the shelf fit a chosen socket", () => {
    const start = { block: "web", port: "db", side: "need" as const };
    const module = (version: string, type = "postgres/1") =>
      ({ name: "m", version, offers: [offer("sql", type, version)], needs: [] }) as unknown as Module;
    expect(moduleFits(model([web]), start, module("16")).fit.fits).toBe(true);
    expect(moduleFits(model([web]), start, module("15")).fit).toMatchObject({
      why: "offers version 15, needs >=16",
    });
    expect(moduleFits(model([web]), start, module("8", "mysql/1")).fit).toMatchObject({
      why: "offers mysql/1, needs postgres/1",
    });
  });
});
