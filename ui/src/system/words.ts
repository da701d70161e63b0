/** Numbers and times as words, the same on every screen. Pure. */

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1536` → `1.5 KiB`. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 0) return "–";
  let size = 0;
  let value = count;
  while (value >= 1024 && size < SIZES.length - 1) {
    value /= 1024;
    size += 1;
  }
  const digits = size === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZES[size]}`;
}

/** A length of time: `0.4 s`, `12 s`, `1 min 12 s`, `3 h 4 min`, `2 d 3 h`. */
export function seconds(count: number): string {
  if (!Number.isFinite(count) || count < 0) return "–";
  if (count < 9.95) return `${(Math.round(count * 10) / 10).toString()} s`;
  const whole = Math.round(count);
  if (whole < 60) return `${whole} s`;
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
  const [hours, left] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 24) return left === 0 ? `${hours} h` : `${hours} h ${left} min`;
  const [days, over] = [Math.floor(hours / 24), hours % 24];
  return over === 0 ? `${days} d` : `${days} d ${over} h`;
}

/** How long ago, in one unit: `just now`, `12 s ago`, `3 min ago`, `5 d ago`. */
export function ago(at: string | number | null | undefined, now: number): string {
  const then = typeof at === "number" ? at : Date.parse(at ?? "");
  if (!Number.isFinite(then)) return "never";
  const passed = Math.max(0, (now - then) / 1000);
  if (passed < 2) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86_400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86_400)} d ago`;
}

/** `1 block`, `3 blocks`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function list(words: readonly string[]): string {
  if (words.length < 2) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/** Processor use from thousandths of a core: `0.25 cores`. */
export function cores(millis: number): string {
  const digits = millis >= 1000 ? 1 : millis >= 10 || millis === 0 ? 2 : 3;
  return `${(millis / 1000).toFixed(digits)} ${millis === 1000 ? "core" : "cores"}`;
}

export type Zone = "local" | "utc";

/** The time of day to a millisecond, in the person's zone or in UTC. */
export function clock(at: string, zone: Zone): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at.slice(0, 23);
  const pad = (number: number, width = 2) => String(number).padStart(width, "0");
  const [h, m, s, ms] =
    zone === "utc"
      ? [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds(), time.getUTCMilliseconds()]
      : [time.getHours(), time.getMinutes(), time.getSeconds(), time.getMilliseconds()];
  return `${pad(h)}:${pad(m)}:${pad(s)}.${pad(ms, 3)}`;
}

/** Date and time to a minute, in the person's zone. */
export function when(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  return time.toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
}
