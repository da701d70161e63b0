// Two ways in which an app is not right: the file cannot be read (the canvas waits), or something is
// missing (the canvas is how it gets right). Where next: canvas/CanvasPage.tsx.
import type { Diagnostic, Model } from "../api/types";

/** The file cannot be read at all: what is drawn is the last good state. */
export const isBroken = (model: Pick<Model, "valid" | "diagnostics">): boolean =>
  !model.valid && model.diagnostics.some((it) => it.code === "file/syntax");

/** The block a diagnostic is about: the table its line is in. */
export function blockOfLine(model: Pick<Model, "blocks">, it: Diagnostic): string | null {
  let found: { name: string; line: number } | null = null;
  for (const block of model.blocks) {
    if (block.line <= it.line && block.line > (found?.line ?? 0)) found = block;
  }
  return found?.name ?? null;
}
