// What a foreign file becomes: asked of the server, which writes nothing; and taking it, which makes an
// app or adds to one. Where next: ImportReport.tsx (how it is shown), ComposeDialog.tsx, ../canvas/ImportDialog.tsx.
import { type Answer, appPath, call, get, post, put } from "../api/client";
import { client, keys } from "../api/queries";
import type { FileText, ImportReport, ImportRow, Model } from "../api/types";

export interface Foreign {
  text: string;
  path?: string;
  name?: string;
  /** Files that it names, such as `.env`. */
  files?: Record<string, string>;
}

/** Asks what a file would become; nothing is written. */
export const askImport = (it: Foreign, signal?: AbortSignal): Promise<Answer<ImportReport>> =>
  call<ImportReport>("POST", "/v1/import", it, signal);

/** The rows that a person should look at come first: what is lost, then what was guessed. */
export function sorted(rows: readonly ImportRow[]): ImportRow[] {
  const order = { "not-mapped": 0, guessed: 1, mapped: 2 };
  return [...rows].sort((a, b) => order[a.state] - order[b.state] || a.line - b.line);
}

/** The blocks that a text of the app file names. */
export function blocksIn(text: string): string[] {
  const found = new Set<string>();
  for (const it of text.matchAll(/^\[\s*"?([A-Za-z0-9_-]+)"?[^\]]*\]/gm)) if (it[1]) found.add(it[1]);
  return [...found];
}

/** An app file with the blocks of another below its own; the other's name and keys of the app are left out. */
export function joined(own: string, other: string): string {
  const at = other.search(/^\[/m);
  const blocks = at < 0 ? "" : other.slice(at);
  return `${own.replace(/\s*$/, "\n")}\n${blocks.replace(/\s*$/, "\n")}`;
}

/** Makes an app of a proposed file, in a folder of the server or in one of the person's own. */
export async function makeFrom(name: string, dir: string, text: string): Promise<Answer<{ name: string }>> {
  const from = dir === "" ? { empty: true } : { dir };
  const made = await post<{ name: string }>("/v1/apps", { name, from });
  if (!made.ok) return made;
  const written = await write(made.value.name, () => text);
  void client.invalidateQueries({ queryKey: keys.apps });
  return written.ok ? made : written;
}

/** Adds the proposed blocks to an app. */
export const addTo = (app: string, text: string): Promise<Answer<{ model: Model }>> =>
  write(app, (own) => joined(own, text));

async function write(app: string, change: (own: string) => string): Promise<Answer<{ model: Model }>> {
  const file = await get<FileText>(appPath(app, "/file"));
  if (!file.ok) return file;
  const { text, revision } = file.value;
  const answer = await put<{ model: Model }>(appPath(app, "/file"), { text: change(text), revision });
  if (answer.ok) {
    client.setQueryData(keys.model(app), answer.value.model);
    void client.invalidateQueries({ queryKey: keys.file(app) });
    void client.invalidateQueries({ queryKey: keys.history(app) });
  }
  return answer;
}
