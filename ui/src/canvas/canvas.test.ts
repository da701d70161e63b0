import { describe, expect, it } from "vitest";
import { makeApps } from "../../mock/apps.mjs";
import type { Model } from "../api/types";
import { coverage, envEdits, parseEnv } from "../inspector/env";
import { leavesOf } from "../outline/Outline";
import { placeBeside } from "../parts/beside";
import { filterBy } from "../state/fuzzy";
import { freeName, isName, toName } from "../state/names";
import { spokenOf } from "../state/spoken";
import { shownOf, wordOf } from "../state/status";
import { draftText } from "./AppActions";
import { kindOf } from "./drop";
import { edgesOf, nodesOf, wireStates } from "./graph";
import { aimed, neighbour } from "./keysOn";
import { freePlace, placeAll } from "./place";

function app(name: string): Model {
  const found = makeApps().find((it) => it.name === name);
  if (!found) throw new Error(`the mock has no ${name}`);
  return found.model();
}

describe("places", () => {
  it("are the kept ones where there are any, and never one on another", () => {
    const model = app("shop");
    const db = model.blocks.find((it) => it.name === "db");
    if (db) Object.assign(db, { x: 500, y: 60 });
    const placed = placeAll(model);
    expect(placed.db).toEqual({ x: 500, y: 60 });
    expect(Object.keys(placed)).toHaveLength(3);
  });
  it("put consumers left of what they use", () => {
    const placed = placeAll(app("shop"));
    expect(placed.web?.x).toBeLessThan(placed.db?.x ?? 0);
  });
  it("keep 200 blocks apart and in the shape of a screen", () => {
    const placed = Object.values(placeAll(app("big")));
    expect(placed).toHaveLength(200);
    for (const a of placed) {
      expect(placed.filter((b) => Math.abs(a.x - b.x) < 240 && Math.abs(a.y - b.y) < 100)).toHaveLength(1);
    }
    const wide = Math.max(...placed.map((it) => it.x));
    const high = Math.max(...placed.map((it) => it.y));
    expect(wide / high).toBeGreaterThan(0.8);
    expect(wide / high).toBeLessThan(2.5);
  });
  it("are found free near a wish", () => {
    const at = freePlace({ x: 3, y: 5 }, { a: { x: 0, y: 0 } });
    expect(Math.abs(at.y) >= 150 || Math.abs(at.x) >= 256).toBe(true);
  });
});

describe("graph", () => {
  const facts = (model: Model) => ({ model, staleFor: null, people: {}, readOnly: false });
  it("keeps the same objects while nothing of them changed", () => {
    const model = app("shop");
    const placed = placeAll(model);
    const first = nodesOf(facts(model), placed, []);
    const again = nodesOf(facts(model), placed, first);
    expect(again.every((it, index) => it === first[index])).toBe(true);
    const moved = nodesOf(facts(model), { ...placed, db: { x: 1, y: 2 } }, first);
    expect(moved.filter((it, index) => it !== first[index]).map((it) => it.id)).toEqual(["db"]);
  });
  it("draws a wire from socket to offer, planned until both run", () => {
    const model = app("shop");
    for (const it of model.blocks) it.staged = null;
    const [edge] = edgesOf(facts(model), new Map(), []);
    expect(edge).toMatchObject({
      source: "web",
      sourceHandle: "need:db",
      target: "db",
      targetHandle: "offer:sql",
    });
    expect(edge?.data?.state).toBe("planned");
    const status = {
      app: "shop",
      state: "ready" as const,
      url: null,
      release: null,
      released_at: null,
      blocks: ["web", "db", "jobs"].map((name) => ({
        name,
        from: "",
        state: "ready" as const,
        ready: 1,
        wanted: 1,
        restarts: 0,
        pods: [],
        detail: "",
      })),
    };
    expect(edgesOf({ ...facts(model), status }, new Map(), [])[0]?.data?.state).toBe("live");
  });
  it("follows what a running verb says of a wire", () => {
    const progress = {
      blocks: [],
      notes: [],
      plan: [],
      done: null,
      wires: [{ consumer: "web.db", provider: "db", interface: "postgres/1", state: "granted" as const }],
    };
    expect(edgesOf(facts(app("shop")), wireStates(progress), [])[0]?.data?.state).toBe("granting");
  });
  it("aims a key at the focus, and at the whole selection only from inside it", () => {
    expect(aimed({ selected: ["db", "web"], focus: "web" })).toEqual(["db", "web"]);
    expect(aimed({ selected: ["db"], focus: "web" })).toEqual(["web"]);
    expect(aimed({ selected: ["db"], focus: null })).toEqual(["db"]);
  });
  it("walks along wires before it walks to what is nearer", () => {
    const model = app("shop");
    const placed = { web: { x: 0, y: 0 }, db: { x: 900, y: 0 }, jobs: { x: 300, y: 0 } };
    model.wires = model.wires.filter((it) => it.provider === "db");
    expect(neighbour(model, placed, "web", [1, 0])).toBe("db");
    expect(neighbour(model, placed, "db", [-1, 0])).toBe("web");
    expect(neighbour(model, placed, "db", [1, 0])).toBeNull();
  });
});

describe("outline", () => {
  it("has every block, socket, offer and address, with its place among its siblings", () => {
    const leaves = leavesOf(app("big"), new Set());
    const blocks = leaves.filter((it) => it.level === 1);
    expect(blocks).toHaveLength(200);
    expect(blocks.at(-1)).toMatchObject({ pos: 200, size: 200 });
    expect(leavesOf(app("big"), new Set(blocks.map((it) => it.id)))).toHaveLength(200);
  });
  it("says a block with its state and its wires", () => {
    const model = app("draft");
    const web = model.blocks.find((it) => it.name === "web");
    if (!web) throw new Error("no web");
    expect(spokenOf(web, shownOf(web, undefined, null))).toBe(
      "web, draft, yours, db needs postgres/1, not wired, jobs needs amqp/1, not wired, cache may take redis/1, public",
    );
  });
});

describe("words", () => {
  it("bring the server's states to one vocabulary", () => {
    expect(["built", "unchanged", "removed", "degraded", "never-heard"].map(wordOf)).toEqual([
      "starting",
      "ready",
      "stopped",
      "degraded",
      "draft",
    ]);
  });
  it("count drafts by person", () => {
    expect(draftText([{ by: "Ada L", mine: true }])).toBe("1 change");
    expect(
      draftText([
        { by: "Ada", mine: true },
        { by: "Ada", mine: true },
        { by: "Ana Moreno", mine: false },
      ]),
    ).toBe("3 changes · yours 2, Ana 1");
  });
  it("make names that are free and of the right form", () => {
    expect(freeName("db", ["db", "db-2"])).toBe("db-3");
    expect(toName("My Web_App!")).toBe("my-web-app");
    expect(isName(toName("9lives"))).toBe(true);
    expect(isName("Web")).toBe(false);
  });
  it("find by letters in order, whole words first", () => {
    const found = filterBy("pg", ["mapping", "postgres", "page"], (it) => [it]);
    expect(found[0]).not.toBe("mapping");
    expect(
      filterBy(
        "redis",
        [
          { n: "valkey", a: "redis" },
          { n: "minio", a: "s3" },
        ],
        (it) => [it.n, it.a],
      ).map((it) => it.n),
    ).toEqual(["valkey"]);
    expect(filterBy("zzz", ["postgres"], (it) => [it])).toEqual([]);
  });
});

describe("drops", () => {
  it("are told apart by name", () => {
    expect(kindOf("compose.prod.yaml", false)).toBe("compose");
    expect(kindOf("web", true)).toBe("folder");
    expect(kindOf(".env", false)).toBe("env");
    expect(kindOf("deploy.yml", false)).toBe("manifest");
  });
});

describe("a pasted .env", () => {
  const model = app("shop");
  const web = model.blocks.find((it) => it.name === "web");
  if (!web) throw new Error("no web");
  it("is read with quotes, export and comments", () => {
    expect(parseEnv('# no\nexport A="b c"\nD=e # f\n\nBAD LINE\n')).toEqual([
      { name: "A", value: "b c" },
      { name: "D", value: "e" },
    ]);
  });
  it("says what a wire covers, and never copies its password", () => {
    const lines = coverage("DB_PASSWORD=x\nDATABASE_URL=postgresql://u:p@h/d\nDEBUG=1", web, model.wires);
    expect(lines.map((it) => it.coveredBy)).toEqual(["db.password", "db.url", null]);
    expect(envEdits("web", lines, model.wires)).toEqual([
      { verb: "env", block: "web", name: "DATABASE_URL", value: "{db.url}" },
      { verb: "env", block: "web", name: "DEBUG", value: "1" },
    ]);
  });
  it("asks for a socket where an address has none, and keeps passwords out of the file", () => {
    const model = app("shop");
    const alone = { ...web, sockets: [] };
    const text =
      "DATABASE_URL=postgresql+psycopg://u:p@h/d\nREAD_URL=postgresql+psycopg://u:p@h/d\nSTRIPE_API_KEY=sk_1\nPORT=80";
    const lines = coverage(text, alone, [], model);
    expect(lines.map((it) => [it.socket?.name, it.socket?.made, it.secret])).toEqual([
      ["db", true, undefined],
      ["db", true, undefined],
      [undefined, undefined, true],
      [undefined, undefined, undefined],
    ]);
    const edits = envEdits("web", lines, []);
    expect(edits[0]).toEqual({
      verb: "need",
      block: "web",
      socket: "db",
      interface: "postgres/1",
      limits: {},
    });
    expect(edits.filter((it) => it.verb === "need")).toHaveLength(1);
    expect(edits.slice(-3)).toEqual([
      { verb: "env", block: "web", name: "READ_URL", value: "{db.url}" },
      { verb: "secret", block: "web", name: "STRIPE_API_KEY", given: true },
      { verb: "env", block: "web", name: "PORT", value: "80" },
    ]);
    expect(JSON.stringify(edits)).not.toMatch(/sk_1|u:p/);
  });
});

describe("what floats", () => {
  const view = { width: 400, height: 300 };
  it("turns over where there is no room, and stays inside", () => {
    const low = { left: 10, right: 40, top: 270, bottom: 290 };
    expect(placeBeside(low, { width: 100, height: 60 }, view, "bottom", "start", 4).top).toBe(206);
    const edge = { left: 380, right: 396, top: 10, bottom: 30 };
    expect(placeBeside(edge, { width: 100, height: 60 }, view, "bottom", "start", 4).left).toBe(292);
  });
});
