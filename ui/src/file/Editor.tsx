// app.toml in CodeMirror: colours, marks of what is wrong, lines that others changed flash. It lives in
// a shadow root, because there CodeMirror's styles are constructed sheets, which the page's policy
// allows. Where next: FilePage.tsx.
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { lintGutter, type Diagnostic as Mark, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { type Extension, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { Diagnostic } from "../api/types";
import { useTheme } from "../state/theme";
import { changedLines } from "./tables";

const setFlash = StateEffect.define<{ from: number; to: number } | null>();
const flashField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (value, transaction) => {
    let next = value.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setFlash)) continue;
      if (effect.value === null) next = Decoration.none;
      else {
        const { doc } = transaction.state;
        const marks = [];
        for (let line = effect.value.from; line <= Math.min(effect.value.to, doc.lines); line += 1) {
          marks.push(Decoration.line({ class: "flash" }).range(doc.line(line).from));
        }
        next = Decoration.set(marks);
      }
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--i-green)" },
  { tag: [tags.number, tags.bool, tags.atom], color: "var(--i-orange)" },
  { tag: tags.propertyName, color: "var(--i-blue)" },
  { tag: [tags.bracket, tags.squareBracket, tags.heading], color: "var(--i-purple)", fontWeight: "600" },
]);

/** The look of an editor, with the page's tokens, which reach into the shadow root. */
export function looks(dark: boolean): Extension {
  return [
    EditorView.theme(
      {
        "&": { height: "100%", background: "var(--panel)", color: "var(--text)", fontSize: "13px" },
        "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
        ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", overflow: "auto" },
        ".cm-content": { caretColor: "var(--accent)", padding: "10px 0" },
        ".cm-gutters": { background: "var(--panel)", color: "var(--faint)", border: "0" },
        ".cm-activeLine": { background: "color-mix(in srgb, var(--accent) 6%, transparent)" },
        ".cm-activeLineGutter": { background: "var(--accent-soft)", color: "var(--text)" },
        ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
        "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
          background: "color-mix(in srgb, var(--accent) 26%, transparent)",
        },
        ".cm-lintRange-error": {
          backgroundImage: "none",
          textDecoration: "underline wavy var(--bad) 1.5px",
          textUnderlineOffset: "3px",
        },
        ".cm-tooltip": {
          maxWidth: "420px",
          border: "1px solid var(--border-strong)",
          borderRadius: "8px",
          background: "var(--raised)",
          color: "var(--text)",
          fontFamily: "var(--font)",
        },
        ".cm-diagnostic": { padding: "8px 12px", borderLeft: "3px solid var(--bad)", whiteSpace: "pre-wrap" },
        ".cm-panels": { background: "var(--sunken)", color: "var(--text)" },
        ".cm-panels input, .cm-panels button": {
          background: "var(--panel)",
          backgroundImage: "none",
          color: "var(--text)",
          border: "1px solid var(--border-strong)",
          borderRadius: "5px",
        },
        ".flash": { animation: "flash 1.8s ease-out" },
        "@keyframes flash": {
          from: { background: "color-mix(in srgb, var(--warn) 40%, transparent)" },
          to: { background: "transparent" },
        },
      },
      { dark },
    ),
    syntaxHighlighting(colours),
  ];
}

export const language = StreamLanguage.define(toml);

/** Both what it says and what to try, as the mark's text. */
function textOf(one: Diagnostic): string {
  const sides = one.sides.map((side) => `${side.label}: ${side.value}`);
  const help = one.help.map((it) => `help: ${it.text}${it.command ? `: ${it.command}` : ""}`);
  return [one.message, ...sides, ...help].join("\n");
}

export interface EditorProps {
  text: string;
  /** Grows when `text` changed by another way than typing here. */
  outside: number;
  diagnostics: readonly Diagnostic[];
  flash: { from: number; to: number; mark: number } | null;
  /** The line (from 1) to bring the caret to; `mark` grows with each wish. */
  caret: { line: number; mark: number } | null;
  readOnly?: boolean;
  onType(text: string): void;
  onSave(): void;
  /** The caret is on another line, by the person's hand. */
  onLine(line: number): void;
}

export default function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const { dark } = useTheme();
  const hooks = useRef(props);
  hooks.current = props;

  useEffect(() => {
    const box = host.current;
    if (box === null) return;
    const root = box.shadowRoot ?? box.attachShadow({ mode: "open" });
    const it = new EditorView({
      root,
      parent: root,
      doc: hooks.current.text,
      extensions: [
        lineNumbers(),
        highlightActiveLineGutter(),
        highlightActiveLine(),
        history(),
        drawSelection(),
        highlightSelectionMatches(),
        lintGutter(),
        language,
        flashField,
        looks(dark),
        EditorView.lineWrapping,
        // Without it a long text is, to some who check, a region that keys cannot scroll.
        EditorView.contentAttributes.of({ "aria-label": "app.toml", spellcheck: "false", tabindex: "0" }),
        keymap.of([
          {
            key: "Mod-s",
            run: () => {
              hooks.current.onSave();
              return true;
            },
          },
          // The page's own keys stay: Ctrl+Enter plans and goes.
          ...defaultKeymap.filter((binding) => binding.key !== "Mod-Enter"),
          ...historyKeymap,
          ...searchKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          const mine = update.transactions.some(
            (one) =>
              one.isUserEvent("input") ||
              one.isUserEvent("delete") ||
              one.isUserEvent("undo") ||
              one.isUserEvent("redo") ||
              one.isUserEvent("move"),
          );
          if (update.docChanged && mine) hooks.current.onType(update.state.doc.toString());
          if (update.selectionSet && (mine || update.transactions.some((one) => one.isUserEvent("select")))) {
            hooks.current.onLine(update.state.doc.lineAt(update.state.selection.main.head).number);
          }
        }),
      ],
    });
    view.current = it;
    return () => {
      it.destroy();
      view.current = null;
    };
  }, [dark]);

  const { text, outside, flash, caret, diagnostics } = props;
  // Not on each `text`: what is typed here comes back a moment later, when more may have been typed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    const it = view.current;
    if (it === null) return;
    const now = it.state.doc.toString();
    if (now === text) return;
    // Only what differs is replaced, so that the caret stays where it was.
    let from = 0;
    while (from < now.length && from < text.length && now[from] === text[from]) from += 1;
    let tail = 0;
    while (tail < now.length - from && tail < text.length - from && now.at(-1 - tail) === text.at(-1 - tail))
      tail += 1;
    const lines = changedLines(now, text);
    it.dispatch({
      changes: { from, to: now.length - tail, insert: text.slice(from, text.length - tail) },
      effects: lines ? setFlash.of(lines) : [],
    });
  }, [outside]);

  useEffect(() => {
    if (flash === null || view.current === null) return;
    const { from, to } = flash;
    const it = view.current;
    it.dispatch({ effects: setFlash.of({ from, to }) });
    const line = it.state.doc.line(Math.min(from, it.state.doc.lines));
    it.dispatch({ effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    const timer = setTimeout(() => view.current?.dispatch({ effects: setFlash.of(null) }), 2_000);
    return () => clearTimeout(timer);
  }, [flash]);

  useEffect(() => {
    const it = view.current;
    if (caret === null || it === null) return;
    const line = it.state.doc.line(Math.max(1, Math.min(caret.line, it.state.doc.lines)));
    it.dispatch({
      selection: { anchor: line.from },
      effects: EditorView.scrollIntoView(line.from, { y: "center" }),
    });
  }, [caret]);

  useEffect(() => {
    const it = view.current;
    if (it === null) return;
    const { doc } = it.state;
    const marks: Mark[] = diagnostics.map((one) => {
      const line = doc.line(Math.max(1, Math.min(one.line || 1, doc.lines)));
      const from = Math.min(line.to, line.from + Math.max(0, one.column - 1));
      const to = Math.min(line.to, line.from + Math.max(0, one.end_column - 1));
      return { from, to: Math.max(to, from), severity: "error", source: one.code, message: textOf(one) };
    });
    it.dispatch(setDiagnostics(it.state, marks));
  }, [diagnostics]);

  return <div className="editor-host" ref={host} />;
}
