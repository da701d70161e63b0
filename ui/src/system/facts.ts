/** What the server tells about itself, as names and words; keys it will add later are shown too. Pure. */
import { bytes, seconds } from "./words";

export interface Fact {
  name: string;
  value: string;
}

/** `memory_bytes` → `Memory`, `data_dir` → `Data dir`. */
export function titleCase(key: string): string {
  const words = key
    .replace(/_(bytes|seconds|millis)$/, "")
    .replace(/[_-]+/g, " ")
    .trim();
  return words === "" || /^(bytes|seconds)$/.test(words)
    ? "Disk, all of it"
    : words.charAt(0).toUpperCase() + words.slice(1).replace(/\bcpus\b/, "cores");
}

function wordsOf(key: string, value: unknown, sizes: boolean): string | null {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (sizes || key === "bytes" || key.endsWith("_bytes")) return bytes(value);
    if (key.endsWith("_seconds")) return seconds(value);
    // Numbers that are names have no thousands.
    return /(^|_)(pid|id|port)$/.test(key) ? String(value) : value.toLocaleString("en");
  }
  if (typeof value === "string") {
    return /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value).toLocaleString("en-GB") : value;
  }
  if (Array.isArray(value)) {
    return value.length === 0
      ? null
      : value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ");
  }
  const inside = facts(value as Record<string, unknown>, sizes);
  return inside.length === 0 ? null : inside.map((fact) => `${fact.name} ${fact.value}`).join(", ");
}

/** The facts of an object; with `sizes`, bare numbers are bytes. */
export function facts(of: Record<string, unknown>, sizes = false): Fact[] {
  const found: Fact[] = [];
  for (const [key, value] of Object.entries(of)) {
    const text = wordsOf(key, value, sizes);
    if (text !== null) found.push({ name: key === "cpus" ? "Cores" : titleCase(key), value: text });
  }
  return found;
}

const UNITS: Record<string, number> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

/** Bytes of a Kubernetes quantity such as `20Gi`; null if it is none. */
export function sizeOf(quantity: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(quantity.trim());
  const unit = UNITS[match?.[2] ?? "?"];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

/** Used of all, 0 to 1; null if either is not known. */
export function share(used: number | null, all: number | null): number | null {
  return used === null || all === null || all <= 0 ? null : Math.min(1, used / all);
}
