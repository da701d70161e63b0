// What was dropped on the canvas: told apart by name, read if it is small text, never applied unasked.
// Where next: ImportDialog.tsx (what is possible with it).
import type { Dropped } from "../state/canvas";
import { isImage } from "./image";

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
  if (data.types.includes("application/x-shelf-image")) return { name: "", kind: "image", at };
  const item = data.items[0];
  const entry = item?.webkitGetAsEntry?.();
  const file = data.files[0];
  const name = entry?.name ?? file?.name;
  if (!name) {
    const text = data.getData("text/plain");
    if (isImage(text)) return { name: text.trim(), kind: "image", at };
    return text === "" ? null : { name: text.slice(0, 80), kind: "other", at };
  }
  const kind = kindOf(name, entry?.isDirectory ?? false);
  const text = kind === "folder" || !file || file.size > MOST_BYTES ? undefined : await file.text();
  return { name, kind: kind === "manifest" && text && /^services:/m.test(text) ? "compose" : kind, text, at };
}
