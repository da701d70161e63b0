// What was dropped on the canvas: told apart by name, read if it is small text, never applied unasked.
// Where next: ImportDialog.tsx (what is possible with it).
import type { Dropped } from "../state/canvas";

const MOST_BYTES = 512 * 1024;

export function kindOf(name: string, folder: boolean): Dropped["kind"] {
  if (folder) return "folder";
  const low = name.toLowerCase();
  if (/^(docker-)?compose.*\.ya?ml$/.test(low)) return "compose";
  if (/\.ya?ml$/.test(low)) return "manifest";
  if (low === ".env" || low.endsWith(".env")) return "env";
  return "other";
}

export async function readDrop(data: DataTransfer, at: { x: number; y: number }): Promise<Dropped | null> {
  if (data.types.includes("application/x-shelf-source")) return { name: "", kind: "source", at };
  const item = data.items[0];
  const entry = item?.webkitGetAsEntry?.();
  const file = data.files[0];
  const name = entry?.name ?? file?.name;
  if (!name) {
    const text = data.getData("text/plain");
    return text === "" ? null : { name: text.slice(0, 80), kind: "other", at };
  }
  const kind = kindOf(name, entry?.isDirectory ?? false);
  const text = kind === "folder" || !file || file.size > MOST_BYTES ? undefined : await file.text();
  return { name, kind: kind === "manifest" && text && /^services:/m.test(text) ? "compose" : kind, text, at };
}

export interface Service {
  name: string;
  image?: string;
  build?: string;
}

/** The services of a compose file: name, image, build. Enough to say what each could be here. */
export function servicesOf(text: string): Service[] {
  const out: Service[] = [];
  let inside = false;
  let current: Service | null = null;
  let buildAt = -1;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/\s+#.*$/, "");
    if (line.trim() === "" || line.trim().startsWith("#")) continue;
    const depth = line.length - line.trimStart().length;
    if (depth === 0) {
      inside = /^services:\s*$/.test(line);
      continue;
    }
    if (!inside) continue;
    const [, key = "", value = ""] = /^\s*["']?([\w.-]+)["']?:\s*(.*)$/.exec(line) ?? [];
    const plain = value.replace(/^["']|["']$/g, "");
    if (depth <= 2 && plain === "") {
      current = { name: key };
      out.push(current);
      buildAt = -1;
    } else if (current && key === "image") current.image = plain;
    else if (current && key === "build") {
      if (plain !== "") current.build = plain;
      else buildAt = depth;
    } else if (current && key === "context" && buildAt >= 0 && depth > buildAt) current.build = plain;
  }
  return out;
}

/** The plain name in an image reference: `docker.io/library/postgres:16` is `postgres`. */
export const imageName = (image: string): string =>
  image
    .replace(/@.*$/, "")
    .replace(/:[^/]*$/, "")
    .split("/")
    .at(-1) ?? image;
