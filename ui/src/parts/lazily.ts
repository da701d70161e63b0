// Parts of the page that are fetched when first shown. A network that changes under the browser (a VPN,
// or the interfaces that a Go itself makes) breaks fetches that are under way, so each is tried again.
import { type ComponentType, lazy } from "react";

const PAUSES_MS = [250, 1_000, 3_000];

/** `load` again after growing pauses; the last error is thrown. */
export async function persistently<T>(
  load: () => Promise<T>,
  pauses: readonly number[] = PAUSES_MS,
): Promise<T> {
  for (const pause of pauses) {
    try {
      return await load();
    } catch {
      // Told only if the last try fails too.
      await new Promise((done) => setTimeout(done, pause));
    }
  }
  return load();
}

/** Like `lazy`, but not given up at the first broken fetch. */
// biome-ignore lint/suspicious/noExplicitAny: the bound that React's own `lazy` has
export function lazily<T extends ComponentType<any>>(load: () => Promise<{ default: T }>) {
  return lazy(() => persistently(load));
}
