// Letter, hue and dash of each interface. The letter comes from the catalogue when it is there; hue and
// dash are fixed for the core set and chosen by name for others, so that they never change by chance.
import type { Interface } from "../api/types";

export const HUES = [
  "blue",
  "orange",
  "green",
  "purple",
  "red",
  "teal",
  "pink",
  "olive",
  "slate",
  "brown",
] as const;
export type Hue = (typeof HUES)[number];

const CORE: Record<string, { hue: Hue; letter: string; dash?: string }> = {
  postgres: { hue: "blue", letter: "P" },
  mysql: { hue: "brown", letter: "Y", dash: "9 3" },
  redis: { hue: "red", letter: "R" },
  amqp: { hue: "orange", letter: "A", dash: "8 4" },
  mongodb: { hue: "olive", letter: "D", dash: "10 3 2 3" },
  s3: { hue: "green", letter: "S" },
  smtp: { hue: "pink", letter: "M", dash: "4 4" },
  http: { hue: "slate", letter: "H", dash: "2 4" },
  tcp: { hue: "slate", letter: "T", dash: "6 3 1 3" },
  files: { hue: "teal", letter: "F" },
  nfs: { hue: "teal", letter: "N", dash: "8 2 2 2" },
  oidc: { hue: "purple", letter: "O", dash: "6 3" },
  otlp: { hue: "purple", letter: "L", dash: "1 3" },
};

let letters: Record<string, string> = {};
/** Takes the letters of the catalogue. */
export function learnInterfaces(interfaces: Interface[]): void {
  letters = Object.fromEntries(interfaces.filter((it) => it.letter).map((it) => [it.name, it.letter]));
}

const base = (name: string) => name.split("/")[0] ?? name;
function sum(text: string): number {
  let total = 7;
  for (const char of text) total = (total * 31 + char.charCodeAt(0)) >>> 0;
  return total;
}
export const hueOf = (name: string): Hue =>
  CORE[base(name)]?.hue ?? HUES[sum(base(name)) % HUES.length] ?? "slate";
export const letterOf = (name: string): string =>
  letters[name] ?? CORE[base(name)]?.letter ?? base(name).charAt(0).toUpperCase();
export const dashOf = (name: string): string | undefined =>
  base(name) in CORE ? CORE[base(name)]?.dash : `${3 + (sum(base(name)) % 6)} 3`;
