// Apps of the mock server and the verbs on them. Much less strict than the real one: it exists so that
// every state of the UI can be looked at. Undo keeps snapshots, the file is written anew each time.
import { createHash } from "node:crypto";
import { catalogue } from "./catalogue.mjs";

export const latest = (name) => {
  const [bare, version] = name.split("@");
  return catalogue.modules.find((it) => it.name === bare && (!version || it.version.startsWith(version)));
};
const iface = (name) => catalogue.interfaces.find((it) => it.name === name);

export function moduleBlock(name, use) {
  const it = latest(use) ?? catalogue.modules[0];
  return {
    name,
    from: {
      kind: "module",
      module: it.name,
      version: it.version,
      newest: it.name === "postgres" ? "16.4.0" : it.version,
    },
    rung: 0,
    line: 1,
    x: null,
    y: null,
    summary: it.summary,
    icon: it.icon,
    public: false,
    settings: it.settings.map((s) => ({ ...s, value: s.default, origin: "default" })),
    sockets: it.needs.map((n) => ({
      name: n.socket,
      interface: n.interface,
      limits: n.limits,
      cardinality: n.cardinality,
      providers: [],
      missing: n.cardinality === "one" || n.cardinality === "some",
    })),
    offers: it.offers.map((o) => ({ ...o })),
    processes: [],
    disks: [{ name: "data", at: `/var/lib/${it.name}`, size: it.size }],
    secrets: [{ name: "ADMIN_PASSWORD" }],
    env: [],
    before: [],
    assumptions: it.assumes.map((a) => ({ ...a, state: a.name === "trusted" ? "unknown" : "holds" })),
    extend: it.extend,
    staged: null,
  };
}

export function sourceBlock(name, path, needs, processes, more = {}) {
  return {
    name,
    from: { kind: "source", path },
    rung: 4,
    line: 1,
    x: null,
    y: null,
    summary: `Built from ${path}`,
    icon: null,
    public: processes.some((p) => p.paths.length > 0),
    settings: [],
    sockets: Object.entries(needs).map(([socket, spec]) => ({
      name: socket,
      interface: spec.replace(/[?*+]$/, ""),
      limits: [],
      cardinality: spec.endsWith("?")
        ? "optional"
        : spec.endsWith("*")
          ? "many"
          : spec.endsWith("+")
            ? "some"
            : "one",
      providers: [],
      missing: !/[?*]$/.test(spec),
    })),
    offers: processes
      .filter((p) => p.port)
      .map((p) => ({ name: p.name, interface: "http/1", facts: {}, process: p.name })),
    processes,
    disks: [],
    secrets: [],
    env: [],
    before: [],
    assumptions: [],
    extend: [],
    staged: null,
    ...more,
  };
}

export class App {
  constructor(name, blocks, more = {}) {
    this.name = name;
    this.blocks = blocks;
    this.past = [];
    this.future = [];
    this.changes = more.changes ?? [];
    this.released = more.released ?? false;
    this.valid = more.valid ?? true;
    this.diagnostics = more.diagnostics ?? [];
    this.text = more.text ?? null;
    this.status = more.status ?? {};
    this.url = `http://${name}.localhost:8080`;
  }
  wires() {
    return this.blocks.flatMap((block) =>
      block.sockets.flatMap((socket) =>
        socket.providers.map((ref) => {
          const [provider, offer] = ref.split(".");
          const prefix = socket.name.toUpperCase();
          return {
            consumer: block.name,
            socket: socket.name,
            provider,
            offer:
              offer ?? this.block(provider)?.offers.find((o) => o.interface === socket.interface)?.name ?? "",
            interface: socket.interface,
            before_start: iface(socket.interface)?.order === "before-start",
            limits: socket.limits,
            fields: (iface(socket.interface)?.fields ?? []).map((f) => ({
              name: f.name,
              env: `${prefix}_${f.name.toUpperCase()}`,
              file: `/bindings/${socket.name}/${f.name}`,
              secret: f.type === "secret",
            })),
            creates: [
              `Secret ${block.name}-${socket.name}`,
              `Job grant-${block.name}-${socket.name}`,
              `NetworkPolicy ${provider}-from-${block.name}`,
            ],
          };
        }),
      ),
    );
  }
  block(name) {
    return this.blocks.find((it) => it.name === name);
  }
  file() {
    if (this.text !== null) return this.text;
    const out = [`app = "${this.name}"`];
    for (const it of this.blocks) {
      out.push("", `[${it.name}]`);
      it.line = out.length;
      out.push(
        it.from.kind === "module"
          ? `use = "${it.from.module}@${it.from.version.split(".")[0]}"`
          : `source = "${it.from.path}"`,
      );
      const set = it.settings.filter((s) => s.origin === "you");
      if (set.length)
        out.push(`set = { ${set.map((s) => `${s.name} = ${JSON.stringify(s.value)}`).join(", ")} }`);
      if (it.from.kind === "source" && it.sockets.length)
        out.push(`needs = { ${it.sockets.map((s) => `${s.name} = "${s.interface}"`).join(", ")} }`);
      const tied = it.sockets.filter((s) => s.providers.length);
      if (tied.length)
        out.push(`wire = { ${tied.map((s) => `${s.name} = "${s.providers[0]}"`).join(", ")} }`);
    }
    return `${out.join("\n")}\n`;
  }
  revision() {
    return createHash("sha256").update(this.file()).digest("hex").slice(0, 16);
  }
  model() {
    const text = this.file();
    for (const block of this.blocks) {
      for (const socket of block.sockets) {
        socket.providers = socket.providers.filter((ref) => this.block(ref.split(".")[0]));
        socket.missing =
          socket.providers.length === 0 && (socket.cardinality === "one" || socket.cardinality === "some");
      }
      for (const a of block.assumptions) {
        if (a.name === "single")
          a.state = this.blocks.some(
            (b) =>
              b.sockets.some((s) => s.providers.includes(block.name)) &&
              b.processes.some((p) => Number(p.copies) > 3),
          )
            ? "broken"
            : "holds";
        a.because = a.state === "broken" ? "more than 3 copies depend on it" : undefined;
      }
    }
    return {
      app: this.name,
      dir: `/srv/apps/${this.name}`,
      revision: createHash("sha256").update(text).digest("hex").slice(0, 16),
      valid: this.valid,
      diagnostics: this.diagnostics,
      changes: this.changes,
      history: { undo: this.past.at(-1)?.summary ?? null, redo: this.future.at(-1)?.summary ?? null },
      url: this.released ? this.url : null,
      blocks: structuredClone(this.blocks),
      wires: this.wires(),
    };
  }
  apply(edits) {
    const before = structuredClone(this.blocks);
    let done = { summary: "", command: "", block: "" };
    for (const edit of edits) {
      const result = this.one(edit);
      if (result.error) {
        this.blocks = before;
        return result;
      }
      done = result;
    }
    const id = `c${Date.now()}${Math.floor(Math.random() * 99)}`;
    const change = {
      id,
      by: "Ada",
      initials: "AL",
      at: new Date().toISOString(),
      summary: done.summary,
      command: done.command,
      mine: true,
    };
    this.past.push({ blocks: before, changes: this.changes, summary: done.summary, edits, ...change });
    this.future = [];
    this.changes = [...this.changes, change];
    const at = this.block(done.block);
    if (at) at.staged = { by: "Ada", initials: "AL" };
    const model = this.model();
    const line = this.block(done.block)?.line ?? 1;
    return { model, lines: [line, line + 2], summary: done.summary, command: done.command };
  }
  one(edit) {
    const block = edit.block ? this.block(edit.block) : null;
    const refuse = (code, message, help = []) => ({
      error: {
        code,
        message,
        diagnostics: [{ code, message, line: block?.line ?? 1, column: 1, end_column: 10, sides: [], help }],
      },
    });
    if (edit.verb !== "add" && edit.verb !== "paste" && !block)
      return refuse("edit/no-block", `there is no block ${edit.block}`);
    const said = (summary, command) => ({
      summary,
      command: `shelf ${command}`,
      block: edit.to ?? edit.block,
    });
    switch (edit.verb) {
      case "add":
        if (this.block(edit.block))
          return refuse("edit/taken", `a block named ${edit.block} is there already`);
        this.blocks.push(
          edit.use
            ? moduleBlock(edit.block, edit.use)
            : sourceBlock(edit.block, edit.source ?? `./${edit.block}`, {}, [
                { name: edit.block, port: 8080, paths: [], copies: 1 },
              ]),
        );
        return said(`add ${edit.block}`, `add ${edit.use ?? edit.source} --as ${edit.block}`);
      case "remove":
        this.blocks = this.blocks.filter((it) => it !== block);
        return said(`remove ${edit.block}`, `remove ${edit.block}`);
      case "rename": {
        if (this.block(edit.to)) return refuse("edit/taken", `a block named ${edit.to} is there already`);
        if (!/^[a-z][a-z0-9-]{0,29}$/.test(edit.to))
          return refuse(
            "name/form",
            `${edit.to} is not a name: lower case letters, digits and -, a letter first`,
          );
        for (const b of this.blocks)
          for (const s of b.sockets) s.providers = s.providers.map((p) => (p === edit.block ? edit.to : p));
        block.name = edit.to;
        return said(`rename ${edit.block} to ${edit.to}`, `rename ${edit.block} ${edit.to}`);
      }
      case "wire": {
        const socket = block.sockets.find((it) => it.name === edit.socket);
        if (!socket) return refuse("wire/socket", `${edit.block} has no socket ${edit.socket}`);
        socket.providers =
          socket.cardinality === "many" || socket.cardinality === "some"
            ? [...new Set([...socket.providers, edit.provider])]
            : [edit.provider];
        return said(
          `wire ${edit.block}.${edit.socket} to ${edit.provider}`,
          `wire ${edit.block}.${edit.socket} ${edit.provider}`,
        );
      }
      case "unwire": {
        const socket = block.sockets.find((it) => it.name === edit.socket);
        socket.providers = edit.provider ? socket.providers.filter((p) => p !== edit.provider) : [];
        return said(`unwire ${edit.block}.${edit.socket}`, `unwire ${edit.block}.${edit.socket}`);
      }
      case "set":
      case "unset": {
        const it = block.settings.find((s) => s.name === edit.setting);
        if (edit.verb === "set" && edit.setting === "size" && !/^\d+(Ki|Mi|Gi|Ti)$/.test(String(edit.value)))
          return refuse("set/size", `size of ${edit.block} is "${edit.value}", which is no size`, [
            { text: "write it like 10Gi", command: `shelf set ${edit.block}.size 10Gi` },
          ]);
        it.value = edit.verb === "set" ? edit.value : it.default;
        it.origin = edit.verb === "set" ? "you" : "default";
        if (block.from.kind === "module") block.rung = block.settings.some((s) => s.origin === "you") ? 1 : 0;
        return edit.verb === "set"
          ? said(
              `set ${edit.block}.${edit.setting} to ${edit.value}`,
              `set ${edit.block}.${edit.setting} ${edit.value}`,
            )
          : said(`unset ${edit.block}.${edit.setting}`, `unset ${edit.block}.${edit.setting}`);
      }
      case "copies":
        for (const p of block.processes)
          if (!edit.process || p.name === edit.process) p.copies = Number(edit.copies) || edit.copies;
        return said(`copies of ${edit.block} to ${edit.copies}`, `copies ${edit.block} ${edit.copies}`);
      case "url":
        for (const p of block.processes) if (!edit.process || p.name === edit.process) p.paths = edit.path;
        block.public = block.processes.some((p) => p.paths.length);
        return said(`url of ${edit.block}`, `url ${edit.block} ${edit.path.join(" ") || "--private"}`);
      case "need":
        block.sockets.push({
          name: edit.socket,
          interface: edit.interface,
          limits: Object.entries(edit.limits ?? {}).map(([k, v]) => `${k} ${v}`),
          cardinality: "one",
          providers: [],
          missing: true,
        });
        return said(
          `need ${edit.interface} as ${edit.block}.${edit.socket}`,
          `need ${edit.block}.${edit.socket} ${edit.interface}`,
        );
      case "unneed":
        block.sockets = block.sockets.filter((s) => s.name !== edit.socket);
        return said(`no longer need ${edit.block}.${edit.socket}`, `unneed ${edit.block}.${edit.socket}`);
      case "use": {
        const it = latest(edit.module);
        block.from = { ...block.from, version: it.version };
        block.offers = it.offers.map((o) => ({ ...o }));
        return said(`use ${edit.module} for ${edit.block}`, `use ${edit.block} ${edit.module}`);
      }
      case "env":
        block.env = [
          ...block.env.filter((e) => e.name !== edit.name),
          ...(edit.value === null ? [] : [{ name: edit.name, value: edit.value, secret: false }]),
        ];
        return said(`env ${edit.block}.${edit.name}`, `env ${edit.block}.${edit.name}`);
      default:
        return said(`${edit.verb} ${edit.block}`, `${edit.verb} ${edit.block}`);
    }
  }
  step(from, to) {
    const it = from.pop();
    if (!it) return null;
    to.push({ ...it, blocks: structuredClone(this.blocks), changes: this.changes });
    const keep = new Map(this.blocks.map((b) => [b.name, { x: b.x, y: b.y }]));
    this.blocks = it.blocks;
    for (const b of this.blocks) Object.assign(b, keep.get(b.name) ?? {});
    this.changes = it.changes;
    return { model: this.model(), lines: [1, 1], summary: it.summary, command: "shelf undo" };
  }
}

const shopBlocks = () => {
  const blocks = [
    moduleBlock("db", "postgres@15"),
    moduleBlock("jobs", "rabbitmq@3"),
    sourceBlock(
      "web",
      "./web",
      { db: "postgres/1", jobs: "amqp/1" },
      [
        { name: "web", port: 8080, paths: ["/"], copies: 2, ready: "/healthz" },
        { name: "worker", run: "bin/worker", paths: [], copies: 1 },
      ],
      {
        before: ["migrate"],
        secrets: [{ name: "SESSION_KEY" }],
        env: [{ name: "DATABASE_URL", value: "{db.url}", secret: true }],
      },
    ),
  ];
  blocks[2].sockets[0].providers = ["db"];
  blocks[2].sockets[1].providers = ["jobs"];
  return blocks;
};

function big() {
  const blocks = [];
  for (let i = 0; i < 40; i += 1) blocks.push(moduleBlock(`db-${i}`, i % 3 ? "postgres@15" : "postgres@16"));
  for (let i = 0; i < 20; i += 1) blocks.push(moduleBlock(`cache-${i}`, "valkey@8"));
  for (let i = 0; i < 140; i += 1) {
    const it = sourceBlock(
      `service-${i}`,
      `./service-${i}`,
      { db: "postgres/1", cache: "redis/1?", peers: "http/1*" },
      [{ name: `service-${i}`, port: 8080, paths: i % 10 ? [] : [`/${i}`], copies: 1 + (i % 3) }],
    );
    it.sockets[0].providers = [`db-${i % 40}`];
    if (i % 2) it.sockets[1].providers = [`cache-${i % 20}`];
    if (i > 10 && i % 2) it.sockets[2].providers = [`service-${i - 10}`];
    blocks.push(it);
  }
  return blocks;
}

const ready = (names) => Object.fromEntries(names.map((name) => [name, "ready"]));

export function makeApps() {
  const broken = new App("broken", shopBlocks(), {
    released: true,
    status: ready(["db", "jobs", "web"]),
    valid: false,
    text: 'app = "broken"\n\n[db]\nuse = "postgres@15"\n\n[web]\nsource = "./web"\nneeds  = { db = "postgres/1" \n',
    diagnostics: [
      {
        code: "file/syntax",
        message: "an inline table is not closed",
        line: 8,
        column: 30,
        end_column: 31,
        sides: [],
        help: [{ text: "end it with }" }],
      },
    ],
  });
  const failing = new App("failing", shopBlocks(), {
    released: true,
    status: { db: "ready", jobs: "degraded", web: "failing" },
  });
  const draft = new App("draft", [
    moduleBlock("db", "postgres@15"),
    sourceBlock("web", "./web", { db: "postgres/1", jobs: "amqp/1", cache: "redis/1?" }, [
      { name: "web", port: 8080, paths: ["/"], copies: 1 },
    ]),
  ]);
  draft.block("web").sockets[0].limits = ["version >=16"];
  const shop = new App("shop", shopBlocks(), {
    released: true,
    status: ready(["db", "jobs", "web"]),
    changes: [
      {
        id: "a1",
        by: "Ana",
        initials: "AM",
        at: new Date(Date.now() - 9e5).toISOString(),
        summary: "set db.size to 20Gi",
        command: "shelf set db.size 20Gi",
        mine: false,
      },
    ],
  });
  const size = shop.block("db").settings[0];
  size.value = "20Gi";
  size.origin = "you";
  shop.block("db").rung = 1;
  shop.block("db").staged = { by: "Ana", initials: "AM" };
  const bigApp = new App("big", big(), { released: true });
  bigApp.status = ready(bigApp.blocks.map((b) => b.name));
  for (const [name, state] of [
    ["service-3", "failing"],
    ["service-7", "starting"],
    ["cache-4", "degraded"],
    ["db-9", "stopped"],
  ])
    bigApp.status[name] = state;
  return [shop, new App("empty", []), draft, failing, broken, bigApp];
}
