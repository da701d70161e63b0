import { describe, expect, it } from "vitest";
import type { Module } from "../api/types";
import { advise, services } from "./compose";

const TEXT = `version: "3"
# two of ours
services:
  db:
    image: "postgres:15-alpine"   # the data
    environment:
      image: nothing
  web:
    build:
      context: ./web
      dockerfile: Dockerfile
    depends_on: [db]
  api:
    build: api
  odd: {}
volumes:
  data: {}
`;

const module = (name: string, version: string, aliases: string[] = []) =>
  ({ name, version, aliases }) as unknown as Module;
const shelf = [module("postgres", "15.6"), module("valkey", "8.0", ["redis"])];

describe("compose", () => {
  it("reads services and nothing else", () => {
    expect(services(TEXT)).toEqual([
      { name: "db", image: "postgres:15-alpine", build: null },
      { name: "web", image: null, build: "./web" },
      { name: "api", image: null, build: "api" },
      { name: "odd", image: null, build: null },
    ]);
    expect(services("what is this")).toEqual([]);
  });
  it("names the module that stands for an image, by alias too", () => {
    const of = (image: string) => advise({ name: "db", image, build: null }, shelf);
    expect(of("postgres:15-alpine")).toMatchObject({
      command: "shelf add postgres@15 --as db",
      version: null,
    });
    expect(of("docker.io/library/redis:7")).toMatchObject({
      module: "valkey",
      command: "shelf add valkey --as db",
    });
    expect(of("localhost:5000/postgres")).toMatchObject({ module: "postgres" });
    expect(of("kafka:3")).toEqual({ kind: "none", why: "no module stands for the image kafka:3" });
  });
  it("builds stay your source", () => {
    expect(advise({ name: "My API", image: null, build: "api" }, shelf)).toEqual({
      kind: "source",
      path: "./api",
      command: "shelf add my-api ./api",
    });
  });
});
