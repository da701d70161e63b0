// A pasted `.env` against what wires already bring: which lines are covered, which are new.
import type { Block, Edit, Wire } from "../api/types";

export interface EnvLine {
  name: string;
  value: string;
  /** The wire that already gives this, as `socket.field`. */
  coveredBy: string | null;
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

const SCHEMES: Record<string, string> = {
  postgres: "postgres",
  postgresql: "postgres",
  mysql: "mysql",
  redis: "redis",
  rediss: "redis",
  amqp: "amqp",
  amqps: "amqp",
};

/** Which wire covers a line: by the name it delivers, or by an address of the same kind. */
export function coverage(text: string, block: Block, wires: Wire[]): EnvLine[] {
  const mine = wires.filter((it) => it.consumer === block.name);
  return parseEnv(text).map(({ name, value }) => {
    for (const wire of mine) {
      const field = wire.fields.find((it) => it.env === name);
      if (field) return { name, value, coveredBy: `${wire.socket}.${field.name}` };
    }
    const scheme = /^([a-z0-9+]+):\/\//.exec(value)?.[1] ?? "";
    const kind = SCHEMES[scheme];
    const wire = kind ? mine.find((it) => it.interface.split("/")[0] === kind) : undefined;
    return { name, value, coveredBy: wire ? `${wire.socket}.url` : null };
  });
}

/** The verbs for the lines a person ticked: a covered one becomes a reference, never a copied password. */
export function envEdits(block: string, lines: EnvLine[], wires: Wire[]): Edit[] {
  return lines.flatMap((it): Edit[] => {
    if (!it.coveredBy) return [{ verb: "env", block, name: it.name, value: it.value }];
    const delivered = wires.some(
      (wire) => wire.consumer === block && wire.fields.some((field) => field.env === it.name),
    );
    return delivered ? [] : [{ verb: "env", block, name: it.name, value: `{${it.coveredBy}}` }];
  });
}
