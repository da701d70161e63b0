/**
 * Reads the services out of a compose file, as far as a suggestion needs it: name, image, build. It
 * is no YAML parser; what it does not understand it leaves out. Pure.
 */
import type { Module } from "../api/types";

export interface Service {
  name: string;
  image: string | null;
  build: string | null;
}

export function services(text: string): Service[] {
  const found: Service[] = [];
  let inside = false;
  let depth = 0;
  let field = 0;
  let building = false;
  for (const raw of text.split("\n")) {
    const line = raw.replace(/\s+#.*$/, "").replace(/\t/g, "  ");
    if (/^\s*(#|$)/.test(line)) continue;
    const indent = line.length - line.trimStart().length;
    if (indent === 0) {
      inside = /^services\s*:\s*$/.test(line);
      depth = 0;
      continue;
    }
    if (!inside) continue;
    if (depth === 0) depth = indent;
    const key = /^\s*["']?([A-Za-z0-9._-]+)["']?\s*:\s*(.*)$/.exec(line);
    if (key === null) continue;
    const [name, value] = [key[1] ?? "", unquoted(key[2] ?? "")];
    if (indent === depth) {
      found.push({ name, image: null, build: null });
      field = 0;
      building = false;
      continue;
    }
    const service = found.at(-1);
    if (service === undefined) continue;
    if (field === 0) field = indent;
    if (indent === field) {
      building = name === "build" && value === "";
      if (name === "image") service.image = value;
      if (name === "build") service.build = value === "" ? "." : value;
    } else if (building && name === "context") {
      service.build = value;
    }
  }
  return found;
}

function unquoted(text: string): string {
  return text.trim().replace(/^(["'])(.*)\1$/, "$2");
}

export type Advice =
  | { kind: "module"; module: string; version: string | null; command: string }
  | { kind: "source"; path: string; command: string }
  | { kind: "none"; why: string };

/** What a service becomes here: a module of the shelf, source of one's own, or nothing yet. */
export function advise(service: Service, modules: readonly Module[]): Advice {
  const name =
    service.name
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^[^a-z]+/, "") || "block";
  if (service.build !== null) {
    const path =
      service.build.startsWith(".") || service.build.startsWith("/") ? service.build : `./${service.build}`;
    return { kind: "source", path, command: `shelf add ${name} ${path}` };
  }
  if (service.image === null) return { kind: "none", why: "it names neither an image nor a build" };
  const [repository = "", tag = ""] = (service.image.split("@")[0] ?? "").split(/:(?=[^/]*$)/);
  const last = repository.split("/").at(-1) ?? "";
  const module = modules.find((one) => one.name === last || one.aliases.includes(last));
  if (module === undefined) return { kind: "none", why: `no module stands for the image ${service.image}` };
  const wanted = /^\d+/.exec(tag)?.[0] ?? null;
  const fits = wanted === null || module.version.split(".")[0] === wanted;
  const use = fits && wanted !== null ? `${module.name}@${wanted}` : module.name;
  return {
    kind: "module",
    module: module.name,
    version: fits ? null : `the shelf has ${module.version}, the file asks for ${tag}`,
    command: `shelf add ${use}${module.name === name ? "" : ` --as ${name}`}`,
  };
}
