// How often an app is backed up by itself, in a person's words and in those of cron. Five fields, UTC;
// what a person wrote by the command line and has no words here stays as it is.

export type Often = "never" | "hourly" | "daily" | "weekly" | "other";

export const OFTEN: readonly (readonly [Often, string])[] = [
  ["never", "Never: by hand only"],
  ["hourly", "Every hour"],
  ["daily", "Every day"],
  ["weekly", "Every Sunday"],
  ["other", ""],
];

export interface Wish {
  often: Often;
  /** `HH:MM`. */
  at: string;
  /** A schedule that has no words; empty if there is none. */
  other: string;
}

const AT = "03:00";

/** What a schedule says; null is none. */
export function oftenOf(every: string | null): Wish {
  if (every === null) return { often: "never", at: AT, other: "" };
  const fields = every.trim().split(/\s+/);
  if (fields.join(" ") === "0 * * * *") return { often: "hourly", at: AT, other: "" };
  const [minute = "", hour = "", days, months, weekday] = fields;
  const plain =
    /^\d{1,2}$/.test(minute) && /^\d{1,2}$/.test(hour) && Number(minute) < 60 && Number(hour) < 24;
  const at = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (plain && fields.length === 5 && days === "*" && months === "*") {
    if (weekday === "*") return { often: "daily", at, other: "" };
    if (weekday === "0") return { often: "weekly", at, other: "" };
  }
  return { often: "other", at: AT, other: every };
}

/** The schedule of a wish; null ends it. */
export function cronOf({ often, at, other }: Wish): string | null {
  const [hour, minute] = at.split(":").map(Number);
  switch (often) {
    case "never":
      return null;
    case "hourly":
      return "0 * * * *";
    case "daily":
      return `${minute} ${hour} * * *`;
    case "weekly":
      return `${minute} ${hour} * * 0`;
    case "other":
      return other;
  }
}
