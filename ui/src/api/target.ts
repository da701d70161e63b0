// Which target this page shows. `/on/prod/…` are the same pages for the target prod: its apps, its
// statuses, its Go. The address alone decides, so a link or the back button never changes what a
// button acts on. Where next: client.ts (how the server is told), ../parts/TargetMenu.tsx.

/** This machine, as the server lists it among its targets. */
export const HERE = "local";

/** Splits an address's path into the part that names the target, and that name. */
export function targetIn(path: string): { base: string; target: string | null } {
  const found = /^\/on\/([a-z0-9-]{1,40})(?=\/|$)/.exec(path);
  if (!found?.[1] || found[1] === HERE) return { base: "", target: null };
  return { base: found[0], target: found[1] };
}

/** A target as people call it. */
export const targetWord = (name: string) => (name === HERE ? "this machine" : name);

/** The leading part of every address of this page, and the target; null: this machine. */
export const { base, target } = targetIn(globalThis.location?.pathname ?? "");

/** What each request says of the target. */
export const targetHeaders: Readonly<Record<string, string>> = target ? { "shelf-target": target } : {};

/** The same for what is opened without headers: streams and terminals. */
export function withTarget(query: URLSearchParams): URLSearchParams {
  if (target) query.set("target", target);
  return query;
}

/** A command of the command line, as it is said for the target of this page. */
export function onTarget(command: string): string {
  return target ? command.replace(/^shelf /, `shelf --on ${target} `) : command;
}

/** The address of the page that is shown, at another target. */
export function pageAt(name: string, here: Pick<Location, "pathname" | "search"> = location): string {
  const { base: now } = targetIn(here.pathname);
  const page = here.pathname.slice(now.length) || "/";
  return (name === HERE ? "" : `/on/${name}`) + page + here.search;
}
