/** How bad a line is, read from the forms that programs commonly write. Pure. */
import { plain } from "./bytes";

export type Level = "error" | "warn" | "info" | "debug" | "other";
export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug", "other"];

/** Only the head of a line is looked at. */
const HEAD = 240;

const FORMS: ReadonlyArray<readonly [Level, RegExp]> = [
  [
    "error",
    /(^|[\s[(|:"'=<])(error|err|fatal|panic|critical|crit|alert|emerg|severe)([\s\]):|,"'>!]|$)|^Traceback \(most recent call last\)|^panic:|^[\w.]*(Error|Exception)(:|\b.*:)|^E\d{4} /i,
  ],
  ["warn", /(^|[\s[(|:"'=<])(warn|warning)([\s\]):|,"'>]|$)|^W\d{4} /i],
  ["info", /(^|[\s[(|:"'=<])(info|notice|log|hint|statement)([\s\]):|,"'>]|$)|^I\d{4} /i],
  ["debug", /(^|[\s[(|:"'=<])(debug|trace|verbose)([\s\]):|,"'>]|$)|^D\d{4} /i],
];

/** A field named as a level settles it, wherever it stands in the head. */
const FIELD = /["']?\b(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?([a-z]+)/i;

/** The level of a line; `other` if it does not say. */
export function level(text: string): Level {
  const head = plain(text.slice(0, HEAD));
  const field = FIELD.exec(head)?.[1]?.toLowerCase();
  if (field !== undefined) {
    if (/^(err|error|fatal|panic|crit|critical|alert|emerg|severe)$/.test(field)) return "error";
    if (field.startsWith("warn")) return "warn";
    if (/^(info|notice|log)$/.test(field)) return "info";
    if (/^(debug|trace|verbose)$/.test(field)) return "debug";
  }
  for (const [name, form] of FORMS) if (form.test(head)) return name;
  return "other";
}

/** The first line that looks like the cause, by index; the last line if none does; -1 of none. */
export function firstError(lines: readonly string[]): number {
  const found = lines.findIndex((line) => level(line) === "error");
  return found >= 0 ? found : lines.length - 1;
}
