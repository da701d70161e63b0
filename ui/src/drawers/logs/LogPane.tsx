// The log of an app or of one block: follows what is written, holds still when the person looks
// back, filters, copies, downloads, and links to a line. Every line is hostile text and is only
// ever put into text nodes. Where next: useLog.ts (what fills it), Lines.tsx (how lines are drawn).
import { useDeferredValue, useMemo, useState } from "react";
import { useLive } from "../../state/live";
import { useNow } from "../../system/useNow";
import { ago, count } from "../../system/words";
import { lineLink } from "../state";
import { active, make } from "./filter";
import { Lines, type Look } from "./Lines";
import { LEVELS, type Level } from "./level";
import type { Kept } from "./ring";
import type { Wish } from "./source";
import { useLog } from "./useLog";

export interface LogPaneProps {
  app: string;
  /** All blocks merged if null. */
  block: string | null;
  pod: string | null;
  previous: boolean;
  /** Only the last so many lines, with the first error among them marked. */
  tail: number | null;
  /** Go to the line of this time. */
  at: string | null;
  /** The blocks there are, for the choice. */
  blocks: readonly string[];
  /** When the chosen block started, for the words when it is silent. */
  since: string | null;
  onBlock(block: string | null): void;
}

const FIRST = 1_000;
/** How far back, in seconds; 0: the last so many lines, however old. */
const BACK: readonly [seconds: number, words: string][] = [
  [0, "newest lines"],
  [300, "last 5 minutes"],
  [3_600, "last hour"],
  [86_400, "last day"],
];
const LEVEL_WORDS: Record<Level, string> = {
  error: "error",
  warn: "warning",
  info: "info",
  debug: "debug",
  other: "other",
};

function remembered(): Look {
  // On a phone a long line is read downwards, not sideways.
  const fresh: Look = { wrap: window.innerWidth < 700, zone: "local", raw: false };
  try {
    return { ...fresh, ...JSON.parse(localStorage.getItem("shelf.log") ?? "{}") };
  } catch {
    return fresh;
  }
}

export default function LogPane(props: LogPaneProps) {
  const [look, setLook] = useState<Look>(remembered);
  const [text, setText] = useState("");
  const [regex, setRegex] = useState(false);
  const [levels, setLevels] = useState<ReadonlySet<Level>>(new Set(LEVELS));
  const [again, setAgain] = useState(0);
  const [back, setBack] = useState(0);
  const [copied, setCopied] = useState("");
  const typed = useDeferredValue(text);
  const filter = useMemo(() => make({ text: typed, regex, levels }), [typed, regex, levels]);
  const wish: Wish = useMemo(
    () => ({
      app: props.app,
      block: props.block,
      pod: props.pod,
      previous: props.previous,
      tail: props.tail ?? FIRST,
      since:
        props.at !== null
          ? earlier(props.at)
          : back > 0
            ? new Date(Date.now() - back * 1000).toISOString()
            : null,
    }),
    [props.app, props.block, props.pod, props.previous, props.tail, props.at, back],
  );
  const log = useLog(wish, filter, again);
  const { ring } = log;

  const change = (to: Partial<Look>) => {
    const next = { ...look, ...to };
    setLook(next);
    try {
      localStorage.setItem("shelf.log", JSON.stringify(next));
    } catch {
      // The look lasts as long as the page then.
    }
  };
  const say = (what: string) => {
    setCopied(what);
    setTimeout(() => setCopied(""), 2_000);
  };
  const copy = async (lines: readonly Kept[]) => {
    const exact = lines.map((line) => line.text).join("\n");
    say(
      (await toClipboard(exact))
        ? `${count(lines.length, "line")} copied`
        : "the browser did not allow copying",
    );
  };
  const download = () => {
    const lines = ring.lines().map((line) => `${line.at} ${line.pod} ${line.text}\n`);
    const url = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${props.app}${props.block === null ? "" : `-${props.block}`}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    say(`${count(lines.length, "line")} downloaded`);
  };

  return (
    <div className="log">
      <div className="log-bar" role="toolbar" aria-label="Log">
        <label className="log-field">
          <span className="spoken">Block</span>
          <select
            value={props.block ?? ""}
            onChange={(event) => props.onBlock(event.target.value === "" ? null : event.target.value)}
          >
            <option value="">All blocks</option>
            {props.blocks.map((block) => (
              <option key={block} value={block}>
                {block}
              </option>
            ))}
          </select>
        </label>
        <label className="log-field">
          <span className="spoken">From</span>
          <select value={back} onChange={(event) => setBack(Number(event.target.value))}>
            {BACK.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label className="log-search">
          <span className="spoken">Filter lines</span>
          <input
            type="search"
            placeholder={regex ? "Filter: expression" : "Filter: text"}
            value={text}
            spellCheck={false}
            aria-invalid={filter.error !== null}
            aria-describedby={filter.error === null ? undefined : "log-regex-error"}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <Toggle on={regex} onChange={setRegex} label="Regular expression" className="rare">
          .*
        </Toggle>
        <div role="group" aria-label="Levels" className="log-levels">
          {LEVELS.map((one) => (
            <Toggle
              key={one}
              on={levels.has(one)}
              label={`Show ${LEVEL_WORDS[one]} lines`}
              className={`level-${one}`}
              onChange={(on) => {
                const next = new Set(levels);
                if (on) next.add(one);
                else next.delete(one);
                setLevels(next);
              }}
            >
              {LEVEL_WORDS[one]}
            </Toggle>
          ))}
        </div>
        <span className="log-gap" />
        <Toggle on={look.wrap} onChange={(wrap) => change({ wrap })} label="Wrap long lines">
          wrap
        </Toggle>
        <Toggle
          className="rare"
          on={look.zone === "utc"}
          onChange={(utc) => change({ zone: utc ? "utc" : "local" })}
          label="Times in UTC"
        >
          UTC
        </Toggle>
        <Toggle className="rare" on={look.raw} onChange={(raw) => change({ raw })} label="Show escape codes">
          codes
        </Toggle>
        <button type="button" className="log-button" onClick={() => void copy(ring.lines())}>
          Copy
        </button>
        <button type="button" className="log-button" onClick={download}>
          Download
        </button>
      </div>
      {filter.error !== null && (
        <p id="log-regex-error" className="log-problem">
          Not an expression yet: {filter.error}. Nothing is hidden by it.
        </p>
      )}
      <Connection log={log} previous={props.previous} onRetry={() => setAgain((number) => number + 1)} />
      <Lines
        log={log}
        look={look}
        merged={props.block === null}
        at={props.at}
        mark={props.tail !== null}
        empty={
          <Silence
            {...props}
            filtered={active(filter)}
            total={ring.size}
            state={log.state.kind}
            onClear={() => {
              setText("");
              setLevels(new Set(LEVELS));
            }}
          />
        }
        onCopy={(line) => void copy([line])}
        onLink={async (line) => {
          const link = `${location.origin}${location.pathname}${lineLink(line)}`;
          say((await toClipboard(link)) ? "link copied" : "the browser did not allow copying");
        }}
      />
      <p className="log-foot">
        <span>
          {count(ring.length, "line")}
          {ring.length !== ring.size && ` of ${ring.size.toLocaleString("en")}`}
          {ring.dropped > 0 && `, ${ring.dropped.toLocaleString("en")} older ones dropped here`}
        </span>
        <span role="status">{copied}</span>
      </p>
    </div>
  );
}

/** The server begins a little before a line that is linked to. */
function earlier(at: string): string {
  const time = Date.parse(at);
  return Number.isNaN(time) ? at : new Date(time - 30_000).toISOString();
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function Toggle(props: {
  on: boolean;
  label: string;
  className?: string;
  children: React.ReactNode;
  onChange(on: boolean): void;
}) {
  return (
    <button
      type="button"
      className={`log-toggle ${props.className ?? ""}`}
      aria-pressed={props.on}
      aria-label={props.label}
      title={props.label}
      onClick={() => props.onChange(!props.on)}
    >
      {props.children}
    </button>
  );
}

function Connection(props: { log: ReturnType<typeof useLog>; previous: boolean; onRetry(): void }) {
  const { state } = props.log;
  const now = useNow(1000);
  // A network that went silent ends no request; the event stream knows it first.
  const connected = useLive((live) => live.connected || live.heardAt === 0);
  if (!connected && state.kind === "open") {
    return <p className="log-problem">No new lines: the server cannot be reached. What is here stays.</p>;
  }
  if (state.kind === "broken") {
    const left = Math.max(0, Math.ceil((state.retryAt - now) / 1000));
    return (
      <p className="log-problem" role="status">
        No new lines: {state.why}. {left > 0 ? `Next try in ${left} s. ` : "Trying … "}
        <button type="button" className="link" onClick={props.onRetry}>
          Try now
        </button>
      </p>
    );
  }
  if (props.previous) {
    return <p className="log-note">This is the run before the last restart; it has ended.</p>;
  }
  return null;
}

function Silence(
  props: LogPaneProps & {
    filtered: boolean;
    total: number;
    state: string;
    onClear(): void;
  },
) {
  const now = useNow(1000);
  const who = props.block ?? props.app;
  if (props.filtered && props.total > 0) {
    return (
      <div className="log-empty">
        <p>None of {count(props.total, "line")} matches the filter.</p>
        <button type="button" className="log-button" onClick={props.onClear}>
          Clear the filter
        </button>
      </div>
    );
  }
  if (props.state === "connecting") return <p className="log-empty">Asking for the log of {who} …</p>;
  if (props.since === null) {
    return (
      <p className="log-empty">
        {who} has written nothing{props.previous ? " in that run" : " yet"}. Lines appear here as they are
        written.
      </p>
    );
  }
  return (
    <p className="log-empty">
      {who} has written nothing since it started {ago(props.since, now)}.
    </p>
  );
}
