// Secrets that a person gives: sent to the server, never read back. What was typed here is remembered in
// this page's memory only, so that it can be shown once more to who typed it. Where next: AccessTab.tsx.

import type { Answer } from "../api/client";
import { appPath, post } from "../api/client";

const typed = new Map<string, string>();
const keyOf = (app: string, block: string, name: string) => `${app}/${block}/${name}`;

/** The value a person typed on this page, if they did. */
export const typedHere = (app: string, block: string, name: string): string | null =>
  typed.get(keyOf(app, block, name)) ?? null;

/** Gives a secret its value; answers whether running copies were replaced. */
export async function giveSecret(
  app: string,
  block: string,
  name: string,
  value: string,
): Promise<Answer<{ rolled: boolean }>> {
  const answer = await post<{ rolled: boolean }>(appPath(app, "/secrets"), { block, name, value });
  if (answer.ok) typed.set(keyOf(app, block, name), value);
  return answer;
}
