// A pasted `.env` against the app: which lines a wire already covers, which ask for a socket, which are
// secrets, and which are plain values. Where next: EnvSection.tsx (how it is shown).
import type { Block, Edit, Model, Wire } from "../api/types";

export interface EnvLine {
  name: string;
  value: string;
  /** The wire that already gives this, as `socket.field`. */
  coveredBy: string | null;
  /** The socket that would give this, and the block it would be tied to, if one fits. */
  socket?: { name: string; interface: string; made: boolean; provider: string | null } | null;
  /** Its name says that nobody should read it. */
  secret?: boolean;
}

export function parseEnv(text: string): { name: string; value: string }[] {
  const out: { name: string; value: string }[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const [, name, value = ""] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(raw) ?? [];
    if (!name) continue;
    const quoted = /^"(.*)"$|^'(.*)'$/.exec(value);
    out.push({ name, value: quoted ? (quoted[1] ?? quoted[2] ?? "") : value.replace(/\s+#.*$/, "") });
  }
  return out;
}

/** Schemes of addresses, the interface they speak, and what a socket for it is called. */
const SCHEMES: Record<string, [kind: string, socket: string]> = {
  postgres: ["postgres", "db"],
  postgresql: ["postgres", "db"],
  mysql: ["mysql", "db"],
  mariadb: ["mysql", "db"],
  mongodb: ["mongodb", "db"],
  redis: ["redis", "cache"],
  rediss: ["redis", "cache"],
  amqp: ["amqp", "jobs"],
  amqps: ["amqp", "jobs"],
  nats: ["nats", "events"],
  mqtt: ["mqtt", "events"],
  smtp: ["smtp", "mail"],
};
const SECRET =
  /(^|_)(PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|SECRET_?KEY|CREDENTIALS?)(_|$)/i;

/** Whether a name says that its value is nobody's business. */
export const isSecretName = (name: string): boolean => SECRET.test(name) || /_KEY$/i.test(name);

/** The block that an open socket could be tied to: the only one that offers the interface. */
function providerOf(model: Model, block: Block, wanted: string): string | null {
  const kind = wanted.split("/")[0];
  const fits = model.blocks.filter(
    (it) => it.name !== block.name && it.offers.some((offer) => offer.interface.split("/")[0] === kind),
  );
  return fits.length === 1 ? (fits[0]?.name ?? null) : null;
}

function freeSocket(block: Block, wish: string, taken: ReadonlySet<string>): string {
  const used = (name: string) => taken.has(name) || block.sockets.some((it) => it.name === name);
  for (let i = 1; ; i += 1) {
    const name = i === 1 ? wish : `${wish}${i}`;
    if (!used(name)) return name;
  }
}

/** What each line is here: by the name a wire delivers, by an address of the same kind, by its name. */
export function coverage(text: string, block: Block, wires: Wire[], model?: Model): EnvLine[] {
  const mine = wires.filter((it) => it.consumer === block.name);
  const planned = new Map<string, NonNullable<EnvLine["socket"]>>();
  return parseEnv(text).map(({ name, value }) => {
    for (const wire of mine) {
      const field = wire.fields.find((it) => it.env === name);
      if (field) return { name, value, coveredBy: `${wire.socket}.${field.name}` };
    }
    const scheme = /^([a-z0-9+]+):\/\//.exec(value)?.[1]?.split("+")[0] ?? "";
    const [kind, wish] = SCHEMES[scheme] ?? [];
    const wire = kind ? mine.find((it) => it.interface.split("/")[0] === kind) : undefined;
    if (wire) return { name, value, coveredBy: `${wire.socket}.url` };
    if (kind && wish && model) {
      // Two addresses of one kind are two services only if they differ.
      const known = planned.get(value);
      if (known) return { name, value, coveredBy: null, socket: known };
      const open = block.sockets.find(
        (it) =>
          it.interface.split("/")[0] === kind &&
          it.providers.length === 0 &&
          ![...planned.values()].some((p) => p.name === it.name),
      );
      const wanted = open?.interface ?? `${kind}/1`;
      const socket = {
        name: open?.name ?? freeSocket(block, wish, new Set([...planned.values()].map((it) => it.name))),
        interface: wanted,
        made: open === undefined,
        provider: providerOf(model, block, wanted),
      };
      planned.set(value, socket);
      return { name, value, coveredBy: null, socket };
    }
    return { name, value, coveredBy: null, ...(isSecretName(name) ? { secret: true } : {}) };
  });
}

/**
 * The verbs for the lines a person ticked: a covered one becomes a reference, never a copied password;
 * one that asks for a socket gets it, tied if a block fits; a secret is only named in the file.
 */
export function envEdits(block: string, lines: EnvLine[], wires: Wire[]): Edit[] {
  const made = new Set<string>();
  return lines.flatMap((it): Edit[] => {
    if (it.coveredBy) {
      const delivered = wires.some(
        (wire) => wire.consumer === block && wire.fields.some((field) => field.env === it.name),
      );
      return delivered ? [] : [{ verb: "env", block, name: it.name, value: `{${it.coveredBy}}` }];
    }
    if (it.socket) {
      const { name, made: make, provider } = it.socket;
      const edits: Edit[] = [];
      if (!made.has(name)) {
        made.add(name);
        if (make)
          edits.push({ verb: "need", block, socket: name, interface: it.socket.interface, limits: {} });
        if (provider) edits.push({ verb: "wire", block, socket: name, provider });
      }
      return [...edits, { verb: "env", block, name: it.name, value: `{${name}.url}` }];
    }
    if (it.secret) return [{ verb: "secret", block, name: it.name, given: true }];
    return [{ verb: "env", block, name: it.name, value: it.value }];
  });
}

/** What a line becomes, in a few words. */
export function lineWords(it: EnvLine): string {
  if (it.coveredBy) return `a wire covers it: {${it.coveredBy}}`;
  if (it.socket) {
    const to = it.socket.provider ? `wired to ${it.socket.provider}` : "to be wired";
    return `${it.socket.made ? "a new socket" : "the socket"} ${it.socket.name} (${it.socket.interface}), ${to}`;
  }
  return it.secret
    ? "a secret: kept by the server, only its name is in the file"
    : "a plain value in the file";
}
