// Whether the page is as narrow as a phone, or zoomed so far in that it might as well be one.
import { useSyncExternalStore } from "react";

const query = () => window.matchMedia("(max-width: 699px)");

export function useNarrow(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const it = query();
      it.addEventListener("change", changed);
      return () => it.removeEventListener("change", changed);
    },
    () => query().matches,
  );
}
