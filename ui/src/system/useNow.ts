// The time, renewed every so often while a component is shown: one timer per interval for the page.
import { useSyncExternalStore } from "react";

interface Beat {
  now: number;
  listeners: Set<() => void>;
  timer: ReturnType<typeof setInterval> | null;
}
const beats = new Map<number, Beat>();

function beatOf(every: number): Beat {
  let beat = beats.get(every);
  if (beat === undefined) {
    beat = { now: Date.now(), listeners: new Set(), timer: null };
    beats.set(every, beat);
  }
  return beat;
}

/** Milliseconds since the epoch, renewed every `every` ms. */
export function useNow(every = 1000): number {
  return useSyncExternalStore(
    (changed) => {
      const beat = beatOf(every);
      beat.listeners.add(changed);
      beat.timer ??= setInterval(() => {
        beat.now = Date.now();
        for (const listener of beat.listeners) listener();
      }, every);
      return () => {
        beat.listeners.delete(changed);
        if (beat.listeners.size === 0 && beat.timer !== null) {
          clearInterval(beat.timer);
          beat.timer = null;
        }
      };
    },
    () => {
      const beat = beatOf(every);
      if (beat.timer === null) beat.now = Math.floor(Date.now() / every) * every;
      return beat.now;
    },
  );
}
