import { describe, expect, it } from "vitest";
import type { Module } from "../api/types";
import { found } from "./search";

const module = (name: string, aliases: string[], offers: string[], summary = ""): Module => ({
  name,
  version: "1",
  summary,
  aliases,
  group: "data",
  offers: offers.map((one) => ({ name: "x", interface: one, facts: {} })),
  needs: [],
  settings: [],
  assumes: [],
  extend: [],
});
const shelf = [
  module("valkey", ["redis"], ["redis/1"], "A cache"),
  module("postgres", ["pg"], ["postgres/1"], "A database"),
  module("pgbouncer", [], ["postgres/1"], "Shares connections to a database"),
];
const names = (text: string) => found(shelf, text).map((one) => one.name);

describe("search", () => {
  it("finds by alias and by interface", () => {
    expect(names("redis")).toEqual(["valkey"]);
    expect(names("postgres/1")[0]).toBe("pgbouncer");
    expect(names("pg")).toEqual(["postgres", "pgbouncer"]);
  });
  it("all words must fit, and no word finds everything", () => {
    expect(names("database connections")).toEqual(["pgbouncer"]);
    expect(names("  ")).toEqual(["pgbouncer", "postgres", "valkey"]);
    expect(names("kafka")).toEqual([]);
  });
});
