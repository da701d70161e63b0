// A log being followed: the ring it fills, the state of its connection, and a number that grows
// whenever there is something new to draw. The ring itself is not React state: at 10,000 lines a
// second copying it would be the cost. Where next: LogPane.tsx, source.ts.
import { useEffect, useRef, useState } from "react";
import { EVERYTHING, type Filter } from "./filter";
import { LogRing } from "./ring";
import { follow, type SourceState, type Wish } from "./source";

export interface FollowedLog {
  ring: LogRing;
  state: SourceState;
  /** Changes whenever the ring does. */
  version: number;
  clear(): void;
}

export function useLog(wish: Wish, filter: Filter, again: number): FollowedLog {
  const ring = useRef<LogRing>(null);
  ring.current ??= new LogRing(EVERYTHING);
  const [state, setState] = useState<SourceState>({ kind: "connecting" });
  const [version, setVersion] = useState(0);
  const { app, block, pod, previous, tail, since } = wish;
  const filterNow = useRef(filter);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `again` is a wish to begin anew
  useEffect(() => {
    const stop = new AbortController();
    const fresh = new LogRing(filterNow.current);
    ring.current = fresh;
    setVersion((number) => number + 1);
    void follow(
      { app, block, pod, previous, tail, since },
      {
        lines: (batch) => {
          fresh.add(batch);
          setVersion((number) => number + 1);
        },
        state: setState,
      },
      stop.signal,
    );
    return () => stop.abort();
  }, [app, block, pod, previous, tail, since, again]);

  useEffect(() => {
    filterNow.current = filter;
    ring.current?.setFilter(filter);
    setVersion((number) => number + 1);
  }, [filter]);

  return {
    ring: ring.current,
    state,
    version,
    clear: () => {
      ring.current?.clear();
      setVersion((number) => number + 1);
    },
  };
}
