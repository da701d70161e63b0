// Names of images as people write and drop them. Pure.
import { toName } from "../state/names";

/** A name for the block of an image: its last part, without tag and digest. */
export function nameIn(image: string): string {
  const last = image.trim().split("@")[0]?.split("/").at(-1) ?? "";
  const plain = last.split(":")[0] ?? "";
  return plain === "" ? "image" : toName(plain);
}

/** Whether a text that was dropped is an image and nothing else: it says a registry, or a tag. */
export function isImage(text: string): boolean {
  const word = text.trim();
  if (!/^[a-z0-9][a-zA-Z0-9._:@/-]{2,250}$/.test(word) || word.includes("//")) return false;
  const parts = word.split("/");
  const registry = parts.length > 1 && /[.:]|^localhost$/.test(parts[0] ?? "");
  return registry || /^[a-z0-9._/-]+:[\w.-]+(@sha256:[0-9a-f]+)?$/.test(word);
}
