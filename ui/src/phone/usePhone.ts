// Whether the page is as narrow as a phone: a small screen, or a large one at 400 %.
import { useSyncExternalStore } from "react";

const QUERY = "(max-width: 699px)";

export function usePhone(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = window.matchMedia(QUERY);
      query.addEventListener("change", changed);
      return () => query.removeEventListener("change", changed);
    },
    () => window.matchMedia(QUERY).matches,
  );
}
