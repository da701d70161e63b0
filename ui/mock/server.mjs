// A server that speaks the canvas's HTTP interface from memory, for development and component tests
// only: `npm run mock`, then `npm run dev`. Nothing of it is in the built UI. Where next: apps.mjs.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { App, makeApps } from "./apps.mjs";
import { catalogue } from "./catalogue.mjs";

const port = Number(process.env.PORT ?? 7499);
const apps = new Map(makeApps().map((it) => [it.name, it]));
const listeners = new Set();
const operations = new Map();
let eventId = 0;

function emit(app, kind, data) {
  eventId += 1;
  for (const it of listeners) {
    if (it.app === null || app === null || it.app === app)
      it.res.write(`id: ${eventId}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
setInterval(() => emit(null, "ping", {}), 5000);

const WANTED = (block) =>
  Math.max(
    1,
    block.processes.reduce((sum, it) => sum + (Number(it.copies) || 1), 0),
  );
function status(app) {
  const blocks = app.blocks
    .filter((it) => app.status[it.name])
    .map((it) => {
      const state = app.status[it.name];
      const wanted = state === "stopped" ? 0 : WANTED(it);
      const up = state === "ready" ? wanted : state === "degraded" ? Math.max(1, wanted - 1) : 0;
      const detail =
        {
          failing: 'exit 1: relation "orders" does not exist',
          degraded: "1 copy is not ready",
          waiting: "for db",
        }[state] ?? "";
      return {
        name: it.name,
        from: it.from.kind === "module" ? `${it.from.module} ${it.from.version}` : it.from.path,
        state,
        ready: up,
        wanted: state === "degraded" ? Math.max(2, wanted) : wanted,
        restarts: state === "failing" ? 7 : 0,
        detail,
        pods: Array.from({ length: wanted }, (_, i) => ({
          name: `${it.name}-${i}`,
          process: it.processes[0]?.name ?? it.name,
          ready: i < up,
          restarts: state === "failing" ? 7 : 0,
          state,
          ip: `10.88.0.${10 + i}`,
          node: "lab",
          since: new Date(Date.now() - 36e5).toISOString(),
          reason: detail,
        })),
      };
    });
  const worst =
    ["failing", "degraded", "starting", "building", "stopped"].find((s) =>
      blocks.some((b) => b.state === s),
    ) ?? (blocks.length ? "ready" : "draft");
  return {
    app: app.name,
    state: worst,
    url: app.released ? app.url : null,
    release: app.released ? "r-4f2a91" : null,
    released_at: app.released ? new Date(Date.now() - 72e5).toISOString() : null,
    blocks,
  };
}

const changed = (app) => {
  emit(app.name, "model", { app: app.name, revision: app.revision(), valid: app.valid });
};

/** A Go whose events look like real ones; an app named `failing` fails. */
async function go(app, verb, id) {
  const it = operations.get(id);
  const started = Date.now();
  const pause = (ms) => new Promise((done) => setTimeout(done, process.env.FAST ? ms / 20 : ms));
  const say = (event) => {
    it.events += 1;
    emit(app.name, "operation", { id, verb, app: app.name, by: "Ada", event });
  };
  const state = (name, word, detail = "") => {
    app.status[name] = word === "built" ? "starting" : word;
    say({ event: "block", name, state: word, detail, seconds: (Date.now() - started) / 1000 });
    emit(app.name, "status", status(app));
  };
  const order = [...app.blocks].sort((a, b) => a.sockets.length - b.sockets.length).slice(0, 12);
  for (const block of order) {
    say({ event: "plan", line: `${app.released ? "~" : "+"} ${block.name}` });
    app.status[block.name] ??= "waiting";
  }
  emit(app.name, "status", status(app));
  for (const block of order) {
    if (it.cancelled) break;
    const steps = block.from.kind === "source" ? 7 : 4;
    state(block.name, "building");
    for (let i = 1; i <= steps; i += 1) {
      await pause(260);
      say({
        event: "build-step",
        block: block.name,
        index: i,
        count: steps,
        text: i === 1 ? "FROM debian:12" : `RUN step ${i}`,
        cached: i < 3,
      });
      if (i > 2) say({ event: "build-output", block: block.name, line: `step ${i}: done` });
    }
    state(block.name, "built", "12 MB");
    await pause(300);
    state(block.name, "starting");
    await pause(700);
    for (const wire of app.wires().filter((w) => w.consumer === block.name)) {
      say({
        event: "wire",
        consumer: `${wire.consumer}.${wire.socket}`,
        provider: wire.provider,
        interface: wire.interface,
        state: "granted",
      });
      await pause(350);
      say({
        event: "wire",
        consumer: `${wire.consumer}.${wire.socket}`,
        provider: wire.provider,
        interface: wire.interface,
        state: "probed",
      });
    }
    if (block.before.length) {
      state(block.name, "preparing", block.before.join(", "));
      await pause(600);
    }
    if (app.name === "failing" && block.name === "web") {
      state(block.name, "failing", 'exit 1: relation "orders" does not exist');
      it.running = false;
      emit(app.name, "operation", {
        id,
        verb,
        app: app.name,
        by: "Ada",
        error: {
          code: "go/not-ready",
          message: "web is not ready after 20 s: its last copy ended with 1",
          cause: 'relation "orders" does not exist',
          hint: "look at its log, then go again",
          block: "web",
        },
      });
      return;
    }
    state(block.name, "ready", `${WANTED(block)}/${WANTED(block)}`);
  }
  it.running = false;
  if (it.cancelled) {
    emit(app.name, "operation", {
      id,
      verb,
      app: app.name,
      by: "Ada",
      error: { code: "go/cancelled", message: "you stopped it; what was started stays" },
    });
    return;
  }
  app.released = true;
  app.changes = [];
  for (const block of app.blocks) block.staged = null;
  const seconds = (Date.now() - started) / 1000;
  say({ event: "done", url: app.url, seconds });
  emit(app.name, "operation", {
    id,
    verb,
    app: app.name,
    by: "Ada",
    result: {
      app: app.name,
      release: "r-77c0de",
      changed: true,
      url: app.url,
      seconds,
      build_steps: 15,
      cached_steps: 6,
      shown_secrets: [],
    },
  });
  emit(app.name, "status", status(app));
  changed(app);
}

function operate(app, verb) {
  const id = `op-${operations.size + 1}`;
  operations.set(id, {
    id,
    verb,
    app: app.name,
    by: "Ada",
    started: new Date().toISOString(),
    running: true,
    events: 0,
    cancelled: false,
  });
  if (verb === "go") void go(app, verb, id);
  else
    setTimeout(() => {
      for (const block of app.blocks)
        if (app.status[block.name]) app.status[block.name] = verb === "stop" ? "stopped" : "ready";
      operations.get(id).running = false;
      emit(app.name, "status", status(app));
      emit(app.name, "operation", {
        id,
        verb,
        app: app.name,
        by: "Ada",
        result: { app: app.name, changed: [], seconds: 0.8 },
      });
    }, 800);
  return { operation: id };
}

function plan(app) {
  const changes = app.blocks.slice(0, 40).map((it) => ({
    block: it.name,
    kind: app.released ? (it.staged ? "changed" : "unchanged") : "added",
    reasons: it.staged ? ["its settings changed"] : [],
    restarts: Boolean(it.staged && app.released),
  }));
  return {
    app: app.name,
    changes,
    object_count: app.blocks.length * 4,
    wires: app.wires().map((w) => `${w.consumer}.${w.socket} -> ${w.provider}  ${w.interface}`),
    assumptions: app.blocks.flatMap((b) =>
      b.assumptions.map((a) => `${b.name}.${a.name}: ${a.says} If not: ${a.if_not}.`),
    ),
    data_at_risk: [],
    url: app.url,
    has_changes: !app.released || app.changes.length > 0,
    lines: changes.map(
      (it) => `${{ added: "+", changed: "~", removed: "-", unchanged: " " }[it.kind]} ${it.block}`,
    ),
    drafts: app.changes.map((it) => ({
      id: it.id,
      by: it.by,
      initials: it.initials,
      summary: it.summary,
      command: it.command,
      kind: "changed",
      mine: it.mine,
    })),
    seconds: 46,
  };
}

function logLine(app, block, i) {
  const texts = [
    "GET /healthz 200 1 ms",
    "checkpoint complete: wrote 44 buffers",
    "worker took job 8812",
    "connection from 10.88.0.12",
    'ERROR relation "orders" does not exist',
    "slow query: 812 ms",
  ];
  return {
    at: new Date(Date.now() - (400 - i) * 1000).toISOString(),
    block,
    pod: `${block}-0`,
    container: block,
    text: texts[i % (app.name === "failing" ? 6 : 4)],
  };
}

const releases = () => [
  {
    release: "r-4f2a91",
    at: new Date(Date.now() - 72e5).toISOString(),
    by: "Ada",
    seconds: 21,
    url: "http://shop.localhost:8080",
    summary: "web: new code",
  },
  {
    release: "r-19be02",
    at: new Date(Date.now() - 9e7).toISOString(),
    by: "Ana",
    seconds: 64,
    url: "http://shop.localhost:8080",
    summary: "first go",
  },
];

const routes = [
  ["POST", /^\/v1\/session$/, () => 204],
  [
    "GET",
    /^\/v1\/me$/,
    () => ({
      person: { name: "Ada Lovelace", initials: "AL" },
      version: "0.2.0-mock",
      target: { name: "this machine" },
    }),
  ],
  [
    "GET",
    /^\/v1\/apps$/,
    () => ({
      apps: [...apps.values()].map((it) => ({
        name: it.name,
        state: status(it).state,
        url: it.released ? it.url : null,
        dir: `/srv/apps/${it.name}`,
        target: "this machine",
        released_at: status(it).released_at,
        released_by: it.released ? "Ada" : null,
        ready: status(it).blocks.reduce((n, b) => n + b.ready, 0),
        wanted: status(it).blocks.reduce((n, b) => n + b.wanted, 0),
        changes: it.changes.length,
      })),
    }),
  ],
  [
    "POST",
    /^\/v1\/apps$/,
    (_, body) => {
      if (apps.has(body.name))
        return [
          409,
          {
            code: "app/exists",
            message: `an app named ${body.name} is there already`,
            hint: "choose another name",
          },
        ];
      const from = makeApps()[body.from.example ? 0 : 1];
      const it = new App(body.name, from.blocks);
      apps.set(body.name, it);
      return { name: body.name };
    },
  ],
  ["GET", /^\/v1\/catalogue$/, () => catalogue],
  ["GET", /^\/v1\/operations$/, () => ({ operations: [...operations.values()] })],
  [
    "POST",
    /^\/v1\/operations\/([^/]+)\/cancel$/,
    ([id]) => {
      if (operations.has(id)) operations.get(id).cancelled = true;
      return { cancelled: id };
    },
  ],
  [
    "GET",
    /^\/v1\/system$/,
    () => ({
      machine: { cpus: 2, memory_bytes: 25e9, kernel: "6.18.0", name: "lab" },
      server: {
        version: "0.2.0-mock",
        data_dir: "/var/lib/shelf",
        started: new Date(Date.now() - 9e6).toISOString(),
      },
      nodes: [{ name: "lab", ready: true, pods: 5 }],
      images: [
        { names: ["shelf/postgres:15"], digest: "sha256:9b1c", size_bytes: 184e6 },
        { names: ["shelf/shop-web:1"], digest: "sha256:77aa", size_bytes: 96e6 },
      ],
      disks: [{ app: "shop", block: "db", disk: "data", size: "20Gi", used_bytes: 812e6 }],
      data: { bytes: 3.1e9 },
    }),
  ],
];
const appRoutes = [
  ["GET", "model", (app) => app.model()],
  [
    "POST",
    "edits",
    (app, body) => {
      if (!app.valid)
        return [
          422,
          {
            code: "file/invalid",
            message: "app.toml is broken; repair it first",
            diagnostics: app.diagnostics,
          },
        ];
      if (body.revision !== app.revision())
        return [
          409,
          {
            code: "edit/stale",
            message: "the app was changed since you saw it",
            hint: "look at it again, then repeat",
          },
        ];
      const it = app.apply(body.edits);
      if (it.error) return [422, it.error];
      changed(app);
      return it;
    },
  ],
  [
    "POST",
    "undo",
    (app) =>
      app.step(app.past, app.future) ?? [409, { code: "history/empty", message: "there is nothing to undo" }],
  ],
  [
    "POST",
    "redo",
    (app) =>
      app.step(app.future, app.past) ?? [409, { code: "history/empty", message: "there is nothing to redo" }],
  ],
  [
    "GET",
    "history",
    (app) => ({
      entries: app.past.map(({ id, at, by, edits, summary, command }) => ({
        id,
        at,
        by,
        edits,
        summary,
        command,
        undone: false,
        released: null,
      })),
    }),
  ],
  [
    "PUT",
    "layout",
    (app, body) => {
      for (const [name, at] of Object.entries(body.blocks)) Object.assign(app.block(name) ?? {}, at);
      return 204;
    },
  ],
  ["GET", "file", (app) => ({ text: app.file(), revision: app.revision() })],
  [
    "PUT",
    "file",
    (app, body) => {
      app.text = body.text;
      app.valid = true;
      app.diagnostics = [];
      changed(app);
      return { model: app.model() };
    },
  ],
  ["POST", "plan", (app) => plan(app)],
  ...["go", "stop", "start", "destroy", "restart", "rollback"].map((verb) => [
    "POST",
    verb,
    (app) => operate(app, verb),
  ]),
  ["GET", "releases", () => ({ releases: releases() })],
  ["GET", "status", (app) => status(app)],
  [
    "GET",
    "metrics",
    (app) => ({
      every_seconds: 10,
      points: Array.from({ length: 90 }, (_, i) => ({
        at: new Date(Date.now() - (90 - i) * 10_000).toISOString(),
        blocks: Object.fromEntries(
          app.blocks.slice(0, 8).map((b, k) => [
            b.name,
            {
              cpu_millis: 40 + 30 * k + 20 * Math.sin(i / 7 + k),
              memory_bytes: 120e6 + 40e6 * k + 5e6 * Math.sin(i / 11),
              disk_bytes: 4e8,
              requests: b.public ? 30 + 8 * Math.sin(i / 5) : 0,
              errors: 0,
            },
          ]),
        ),
      })),
    }),
  ],
  [
    "GET",
    "events",
    (app) => ({
      events: app.blocks.slice(0, 6).map((b, i) => ({
        at: new Date(Date.now() - i * 6e4).toISOString(),
        type: i === 1 ? "Warning" : "Normal",
        reason: i === 1 ? "Unhealthy" : "Started",
        object: `Pod/${b.name}-0`,
        block: b.name,
        message: i === 1 ? "readiness probe failed: connection refused" : "started container",
        count: 1 + i,
      })),
    }),
  ],
  [
    "GET",
    "objects",
    (app) => ({
      yaml: app.blocks
        .map((b) => `apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${b.name}\n`)
        .join("---\n"),
    }),
  ],
  ["POST", "presence", () => 204],
];

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html" };
const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/** The built UI, with the content policy of the real server, so that a breach is seen here too. */
function file(res, path) {
  const wished = join("dist", normalize(path));
  const found = existsSync(wished) && statSync(wished).isFile() ? wished : join("dist", "index.html");
  res.writeHead(200, {
    "content-type": TYPES[extname(found)] ?? "text/plain",
    "content-security-policy": POLICY,
  });
  res.end(readFileSync(found));
}

function answer(res, result) {
  if (result === 204) return res.writeHead(204).end();
  const [code, body] = Array.isArray(result) ? [result[0], { error: result[1] }] : [200, result];
  res.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}

createServer(async (req, res) => {
  const url = new URL(req.url, "http://mock");
  let text = "";
  for await (const chunk of req) text += chunk;
  const body = text ? JSON.parse(text) : {};
  if (url.pathname === "/v1/stream") {
    res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const it = { app: url.searchParams.get("app"), res };
    listeners.add(it);
    req.on("close", () => listeners.delete(it));
    res.write(
      `retry: 1000\nevent: people\ndata: ${JSON.stringify({
        people: [
          { name: "Ada Lovelace", initials: "AL", block: null },
          { name: "Ana Moreno", initials: "AM", block: "db" },
        ],
      })}\n\n`,
    );
    const app = apps.get(it.app);
    if (app) res.write(`event: status\ndata: ${JSON.stringify(status(app))}\n\n`);
    return;
  }
  for (const [method, pattern, run] of routes) {
    const match = pattern.exec(url.pathname);
    if (match && method === req.method) return answer(res, run(match.slice(1), body));
  }
  const [, name, rest] = /^\/v1\/apps\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
  const app = name && apps.get(decodeURIComponent(name));
  if (name && !app)
    return answer(res, [
      404,
      {
        code: "app/unknown",
        message: `there is no app named ${decodeURIComponent(name)}`,
        hint: "`shelf ps` lists them",
      },
    ]);
  if (app && rest === "logs") {
    res.writeHead(200, { "content-type": "application/jsonl" });
    const only = url.searchParams.get("block");
    const names = app.blocks
      .map((it) => it.name)
      .filter((it) => !only || it === only)
      .slice(0, 6);
    if (names.length === 0) return res.end();
    for (let i = 0; i < 400; i += 1)
      res.write(`${JSON.stringify(logLine(app, names[i % names.length], i))}\n`);
    if (url.searchParams.get("follow") !== "true" && url.searchParams.get("follow") !== "1") return res.end();
    let i = 400;
    const timer = setInterval(
      () =>
        res.write(
          `${JSON.stringify({ ...logLine(app, names[i % names.length], i++), at: new Date().toISOString() })}\n`,
        ),
      700,
    );
    return req.on("close", () => clearInterval(timer));
  }
  if (app && req.method === "GET" && rest.startsWith("releases/")) {
    const it = releases().find((r) => r.release === rest.slice(9));
    return answer(
      res,
      it
        ? { ...it, text: app.file().replace("20Gi", it.release === "r-19be02" ? "10Gi" : "20Gi") }
        : [404, { code: "release/unknown", message: "there is no such release" }],
    );
  }
  if (!url.pathname.startsWith("/v1/")) return file(res, url.pathname);
  const found = app && appRoutes.find(([method, path]) => method === req.method && path === rest);
  return answer(
    res,
    found
      ? found[2](app, body)
      : [404, { code: "http/404", message: `${req.method} ${url.pathname} is not there` }],
  );
}).listen(port, "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${port}`));
