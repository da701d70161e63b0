// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
/**
 * Log lines come from programs nobody vouches for. Here a line becomes pieces of plain text:
 * colour codes are taken out, every other control character becomes a visible sign, and signs
 * that turn the direction of text around are named. React puts the pieces into text nodes, so
 * HTML is text too. Nothing here is ever given to a terminal or to `innerHTML`.
 */

/** A piece of a line as it is shown. */
export interface Piece {
  text: string;
  /** A sign that stands for a byte that cannot be shown as it is. */
  sign: boolean;
}

/** Lines longer than this are cut on screen; copying and downloading give them whole. */
export const LINE_SHOWN = 4_000;

// ESC [ … letter (CSI), ESC ] … BEL or ESC \ (OSC), and the two-character escapes.
const ESCAPE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]{0,2000}(?:\u0007|\u001b\\)|[@-Z\\-_])/g;
const HOSTILE =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]/g;

/** What stands for one control or direction character: `^[` as terminals write it, or its number. */
export function sign(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return `^${String.fromCodePoint(code + 0x40)}`;
  if (code === 0x7f) return "^?";
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}

/** The line with its colour and cursor codes taken out; other bytes stay. */
export function plain(line: string): string {
  return line.includes("\u001b") ? line.replace(ESCAPE, "") : line;
}

/**
 * The line as pieces to show. With `raw`, escape codes are shown as signs instead of being
 * taken out.
 */
export function pieces(line: string, raw = false): Piece[] {
  const cut = line.length > LINE_SHOWN;
  const text = raw ? line.slice(0, LINE_SHOWN) : plain(line.slice(0, LINE_SHOWN));
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(HOSTILE)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), sign: false });
    found.push({ text: sign(match[0]), sign: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), sign: false });
  if (cut) found.push({ text: ` … ${line.length - LINE_SHOWN} characters more`, sign: true });
  return found;
}
