// A shell inside a copy of a block. Loaded only when opened; speaks to screen readers when asked to.
// Where next: connection.ts (the wire), styles.ts (why xterm gets a document of its own).
import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "react";
import { useTheme } from "../../state/theme";
import { useNow } from "../../system/useNow";
import { TerminalConnection, type TerminalState, terminalAddress } from "./connection";
import { documentWithSheets, withSheets } from "./styles";

export interface TerminalPaneProps {
  app: string;
  block: string;
  /** The copy; null lets the server choose one that is ready. */
  pod: string | null;
}

const READER = "shelf.terminal.reader";

function colours(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    background: token("--sunken"),
    foreground: token("--text"),
    cursor: token("--accent"),
    cursorAccent: token("--sunken"),
    selectionBackground: token("--accent"),
    selectionForeground: token("--on-accent"),
    black: token("--text"),
    brightBlack: token("--muted"),
    white: token("--muted"),
    brightWhite: token("--text"),
    red: token("--bad"),
    brightRed: token("--bad"),
    green: token("--good"),
    brightGreen: token("--good"),
    yellow: token("--warn"),
    brightYellow: token("--warn"),
    blue: token("--i-blue"),
    brightBlue: token("--i-blue"),
    magenta: token("--i-purple"),
    brightMagenta: token("--i-purple"),
    cyan: token("--i-teal"),
    brightCyan: token("--i-teal"),
  };
}

export default function TerminalPane({ app, block, pod }: TerminalPaneProps) {
  const host = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(null);
  const connection = useRef<TerminalConnection>(null);
  const [state, setState] = useState<TerminalState>({ kind: "connecting" });
  const [reader, setReader] = useState(() => {
    try {
      return localStorage.getItem(READER) === "on";
    } catch {
      return false;
    }
  });
  const { dark } = useTheme();
  const wanted = useRef(reader);
  wanted.current = reader;

  useEffect(() => {
    const box = host.current;
    if (box === null) return;
    const it = new Terminal({
      documentOverride: documentWithSheets(),
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono").trim() || "monospace",
      fontSize: 13,
      scrollback: 5_000,
      cursorBlink: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      screenReaderMode: wanted.current,
      // The program in the terminal is not trusted with colours nobody can read.
      minimumContrastRatio: 4.5,
      theme: colours(),
    });
    const fit = new FitAddon();
    it.loadAddon(fit);
    withSheets(() => it.open(box));
    fit.fit();
    terminal.current = it;
    const wire = new TerminalConnection(
      (size, confirmed) => terminalAddress(location.origin, app, block, pod, size, confirmed),
      { rows: it.rows, cols: it.cols },
      { bytes: (bytes) => it.write(bytes), state: setState },
    );
    connection.current = wire;
    const data = it.onData((text) => wire.send(text));
    const binary = it.onBinary((text) => wire.sendBinary(text));
    const resized = it.onResize((size) => wire.resize({ rows: size.rows, cols: size.cols }));
    // Tab leaves the terminal for whoever cannot use a mouse: Ctrl+Shift+Tab… is taken by browsers, so F6.
    it.attachCustomKeyEventHandler((event) => event.key !== "F6");
    const watch = new ResizeObserver(() => {
      if (box.clientWidth > 0 && box.clientHeight > 0) fit.fit();
    });
    watch.observe(box);
    it.focus();
    return () => {
      watch.disconnect();
      data.dispose();
      binary.dispose();
      resized.dispose();
      wire.close();
      it.dispose();
      terminal.current = null;
    };
  }, [app, block, pod]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the tokens change with the theme
  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = colours();
  }, [dark]);

  useEffect(() => {
    if (terminal.current) terminal.current.options.screenReaderMode = reader;
    try {
      localStorage.setItem(READER, reader ? "on" : "off");
    } catch {
      // Lasts as long as the page.
    }
  }, [reader]);

  return (
    <div className="terminal">
      <div className="terminal-bar">
        <Words
          state={state}
          block={block}
          pod={pod}
          onAgain={() => {
            terminal.current?.reset();
            connection.current?.connect();
            terminal.current?.focus();
          }}
        />
        <span className="log-gap" />
        <span className="terminal-keys">F6 leaves the terminal</span>
        <button type="button" className="log-toggle" aria-pressed={reader} onClick={() => setReader(!reader)}>
          screen reader
        </button>
      </div>
      <div className="terminal-host" ref={host} />
    </div>
  );
}

function Words(props: { state: TerminalState; block: string; pod: string | null; onAgain(): void }) {
  const now = useNow(1000);
  const { state } = props;
  const where = props.pod ?? props.block;
  if (state.kind === "open") return <span role="status">Shell in {where}</span>;
  if (state.kind === "connecting") return <span role="status">Opening a shell in {where} …</span>;
  const text =
    state.kind === "refused"
      ? state.why
      : state.kind === "ended"
        ? `The shell ended${state.code === null ? "" : ` with ${state.code}`}.`
        : `The connection is lost; next try in ${Math.max(0, Math.ceil((state.retryAt - now) / 1000))} s.`;
  return (
    <span role="status">
      {text}{" "}
      <button type="button" className="log-button" onClick={props.onAgain}>
        {state.kind === "ended" ? "Open a new one" : state.kind === "refused" ? "Try again" : "Try now"}
      </button>
    </span>
  );
}
