// The lines of a log on screen: only those in sight are in the page, whatever there are. Follows the end,
// holds still when the person looks back. Where next: useWindow.ts (which are in sight), bytes.ts.
import { type KeyboardEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { clock, count, type Zone } from "../../system/words";
import { pieces, plain } from "./bytes";
import { firstError } from "./level";
import type { Kept } from "./ring";
import type { useLog } from "./useLog";
import { ROW, useWindow } from "./useWindow";

export interface Look {
  wrap: boolean;
  zone: Zone;
  raw: boolean;
}

export interface LinesProps {
  log: ReturnType<typeof useLog>;
  look: Look;
  merged: boolean;
  at: string | null;
  mark: boolean;
  empty: React.ReactNode;
  onCopy(line: Kept): void;
  onLink(line: Kept): void;
}

export function Lines({ log, look, merged, at, mark, empty, onCopy, onLink }: LinesProps) {
  const { ring, version } = log;
  const scroller = useRef<HTMLDivElement>(null);
  const [follow, setFollow] = useState(at === null);
  /** How many lines there had been when following stopped. */
  const [pausedAt, setPausedAt] = useState(0);
  const [cursor, setCursor] = useState<number | null>(null);
  /** The link that was followed already. */
  const gone = useRef<string | null>(null);
  const length = ring.length;
  const list = useWindow(scroller, ring, follow, look.wrap, version);

  // A click on the log is not a scroll back: only the wheel, keys or the bar end following.
  const onScroll = useCallback(() => {
    const box = scroller.current;
    if (box === null) return;
    const end = box.scrollHeight - box.scrollTop - box.clientHeight < ROW * 1.5;
    setFollow((was) => {
      if (was && !end) setPausedAt(ring.matched);
      return end;
    });
  }, [ring]);

  // The line that a link names: once, as soon as it is there.
  useEffect(() => {
    if (at === null || gone.current === at || length === 0) return;
    for (let index = 0; index < length; index += 1) {
      const line = ring.at(index);
      if (line !== undefined && line.at >= at) {
        gone.current = at;
        setFollow(false);
        setPausedAt(ring.matched);
        setCursor(line.number);
        list.show(index, "center");
        return;
      }
    }
  }, [at, length, ring, list]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the ring changes in place
  const marked = useMemo(() => {
    if (!mark || length === 0 || length > 2_000) return null;
    const lines = ring.lines();
    return lines[firstError(lines.map((line) => line.text))]?.number ?? null;
  }, [mark, ring, version, length]);

  const wentToMark = useRef(false);
  useEffect(() => {
    if (marked === null || wentToMark.current) return;
    const timer = setTimeout(() => {
      wentToMark.current = true;
      setCursor(marked);
      list.show(ring.indexOf(marked), "center");
    }, 150);
    return () => clearTimeout(timer);
  }, [marked, list, ring]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "End" || event.key === "f") {
      setFollow(true);
      event.preventDefault();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") {
      if (event.key === "c" && !event.ctrlKey && cursor !== null) {
        const line = ring.at(ring.indexOf(cursor));
        if (line) onCopy(line);
      }
      return;
    }
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    const from = cursor === null ? (step > 0 ? -1 : length) : ring.indexOf(cursor);
    const next = Math.min(length - 1, Math.max(0, from + step));
    setCursor(ring.at(next)?.number ?? null);
    list.show(next, "near");
  };

  const unseen = follow ? 0 : ring.matched - pausedAt;
  const current = cursor === null ? undefined : ring.at(ring.indexOf(cursor));
  return (
    <div className="log-body">
      <div
        ref={scroller}
        className={`log-lines ${look.wrap ? "wrap" : ""}`}
        role="log"
        aria-live="off"
        aria-label="Lines"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        {length === 0 ? (
          empty
        ) : (
          <div className="log-all" style={{ height: list.height }}>
            <div className="log-window" style={{ transform: `translateY(${list.offset}px)` }}>
              {list.indexes.map((index) => {
                const line = ring.at(index);
                return line === undefined ? null : (
                  <Row
                    key={line.number}
                    index={look.wrap ? index : 0}
                    line={line}
                    look={look}
                    merged={merged}
                    marked={line.number === marked}
                    current={line.number === cursor}
                    measure={list.measure}
                    onPick={setCursor}
                  />
                );
              })}
            </div>
          </div>
        )}
      </div>
      {current !== undefined && !follow && (
        <div className="log-line-menu" role="group" aria-label="This line">
          <span>
            {clock(current.at, look.zone)} · {current.pod}
          </span>
          <button type="button" className="log-button" onClick={() => onCopy(current)}>
            Copy line
          </button>
          <button type="button" className="log-button" onClick={() => onLink(current)}>
            Link to it
          </button>
          <button
            type="button"
            className="log-button"
            aria-label="Let the line go"
            onClick={() => setCursor(null)}
          >
            ✕
          </button>
        </div>
      )}
      {!follow && length > 0 && (
        <button type="button" className="log-follow" onClick={() => setFollow(true)}>
          {unseen > 0 ? `↓ ${count(unseen, "new line")}` : "↓ Follow"}
        </button>
      )}
    </div>
  );
}

const Row = memo(function Row(props: {
  index: number;
  line: Kept;
  look: Look;
  merged: boolean;
  marked: boolean;
  current: boolean;
  measure?: (element: HTMLElement | null) => void;
  onPick(number: number): void;
}) {
  const { line, look } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: arrow keys on the list do the same
    // biome-ignore lint/a11y/noStaticElementInteractions: the list is the control
    <div
      ref={props.measure}
      data-index={props.index}
      className={`log-row level-${line.level} ${props.marked ? "marked" : ""} ${props.current ? "current" : ""}`}
      onClick={() => {
        if (window.getSelection()?.isCollapsed !== false) props.onPick(line.number);
      }}
    >
      <time dateTime={line.at}>{clock(line.at, look.zone)}</time>
      {props.merged && (
        <span className="log-block" data-hue={hue(line.block)}>
          {line.block}
        </span>
      )}
      {props.marked && <span className="log-mark">first error ▸</span>}
      <bdi className="log-text">
        {pieces(line.text, look.raw).map((piece, index) =>
          piece.sign ? (
            <span key={index} className="log-sign">
              {piece.text}
            </span>
          ) : (
            piece.text
          ),
        )}
        {plain(line.text) === "" && "\u00a0"}
      </bdi>
    </div>
  );
});

/** One of eight colours for a block's name, the same each time. */
function hue(name: string): number {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 997;
  return sum % 8;
}
