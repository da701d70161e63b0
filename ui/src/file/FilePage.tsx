// The canvas and app.toml side by side: one truth, two hands. Select a block and the caret is at its
// table; move the caret and its block is selected. Where next: useFile.ts, Editor.tsx, tables.ts.
import { useQuery } from "@tanstack/react-query";
import { Suspense, useEffect, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { queries } from "../api/queries";
import type { Diagnostic } from "../api/types";
import { CanvasView } from "../canvas/CanvasView";
import { Button } from "../parts/Button";
import { Loading, Problem } from "../parts/Empty";
import { announce } from "../parts/Live";
import { lazily } from "../parts/lazily";
import { useNarrow } from "../phone/narrow";
import { useCanvas } from "../state/canvas";
import { isBroken } from "../state/validity";
import { count } from "../system/words";
import "./file.css";
import { blockAt, lineOf } from "./tables";
import { type EditedFile, type SaveState, useFile } from "./useFile";

const Clashes = lazily(() => import("../clash/Clashes").then((it) => ({ default: it.Clashes })));
const Editor = lazily(() => import("./Editor"));
const Merge = lazily(() => import("./Merge"));
const NONE: readonly Diagnostic[] = [];
const PLAIN = "shelf.editor.plain";

export function FilePage({ app }: { app: string }) {
  const model = useQuery(queries.model(app));
  const file = useFile(app);
  const phone = useNarrow();
  const { state } = file;
  const wrong =
    state.kind === "wrong" ? state.diagnostics : model.data?.valid === false ? model.data.diagnostics : NONE;
  const first = wrong[0];
  // Text that cannot be read stops the canvas; something missing is what the canvas is for.
  const broken = state.kind === "wrong" || (model.data !== undefined && isBroken(model.data));
  if (file.error && file.buffer === null) {
    return <Problem error={file.error} what="app.toml could not be read" retry={file.retry} />;
  }
  return (
    <div className="file-page">
      {!phone && (
        <div className={`file-canvas ${broken ? "greyed" : ""}`}>
          {broken && first && (
            <p className="file-broken" role="status">
              <strong>line {first.line}:</strong> {first.message}. This is the app as it was before; edits
              here wait.
            </p>
          )}
          <CanvasView app={app} readOnly={broken} />
        </div>
      )}
      <section className="file-text" aria-label="app.toml">
        {model.data && !file.buffer?.theirs && (
          <Suspense fallback={null}>
            <Clashes app={app} model={model.data} />
          </Suspense>
        )}
        {file.buffer === null ? (
          <Loading what="app.toml" lines={9} />
        ) : (
          <TextPane file={file} wrong={wrong} broken={broken} dir={model.data?.dir} />
        )}
      </section>
    </div>
  );
}

function TextPane(props: { file: EditedFile; wrong: readonly Diagnostic[]; broken: boolean; dir?: string }) {
  const { file, wrong } = props;
  const buffer = file.buffer;
  const [plain, setPlain] = useState(() => {
    try {
      return localStorage.getItem(PLAIN) === "on";
    } catch {
      return false;
    }
  });
  const [both, setBoth] = useState(false);
  const [search] = useSearchParams();
  const [caret, setCaret] = useState<{ line: number; mark: number } | null>(null);
  const text = buffer?.text ?? "";
  const latest = useRef(text);
  latest.current = text;
  const asked = Number(search.get("line"));
  useEffect(() => {
    if (asked > 0) setCaret((was) => ({ line: asked, mark: (was?.mark ?? 0) + 1 }));
  }, [asked]);

  // A block chosen on the canvas brings the caret, unless the caret chose the block.
  const selected = useCanvas((state) => (state.selected.length === 1 ? state.selected[0] : undefined));
  const byCaret = useRef<string | null>(null);
  useEffect(() => {
    if (selected === undefined || selected === byCaret.current) return;
    byCaret.current = selected;
    const line = lineOf(latest.current, selected);
    if (line !== null) setCaret((was) => ({ line, mark: (was?.mark ?? 0) + 1 }));
  }, [selected]);
  const onLine = (line: number) => {
    const block = blockAt(latest.current, line);
    if (block === null || block === byCaret.current) return;
    byCaret.current = block;
    useCanvas.getState().select([block]);
  };
  const conflict = buffer?.theirs ?? null;
  useEffect(() => {
    if (conflict !== null) announce("The file was changed by somebody else where you changed it.");
    else setBoth(false);
  }, [conflict]);
  const change = (to: boolean) => {
    setPlain(to);
    try {
      localStorage.setItem(PLAIN, to ? "on" : "off");
    } catch {
      // Lasts as long as the page.
    }
  };

  return (
    <>
      <header className="file-bar">
        <span className="file-name mono" title={props.dir}>
          app.toml
        </span>
        <SaveWords state={file.state} onSave={file.save} />
        <span className="grow" />
        <label className="file-plain">
          <input type="checkbox" checked={plain} onChange={(event) => change(event.target.checked)} />
          plain text
        </label>
      </header>
      {conflict !== null && (
        <div className="file-conflict" role="alert">
          <p>
            <strong>The file was changed by somebody else</strong> in the lines that you changed.
          </p>
          <div className="row">
            <Button small onClick={file.keepMine}>
              Keep mine
            </Button>
            <Button small onClick={file.takeTheirs}>
              Take theirs
            </Button>
            <Button small aria-expanded={both} onClick={() => setBoth(!both)}>
              {both ? "Hide both" : "See both"}
            </Button>
          </div>
        </div>
      )}
      {wrong.length > 0 && (
        <Wrong
          wrong={wrong}
          broken={props.broken}
          onLine={(line) => setCaret((was) => ({ line, mark: (was?.mark ?? 0) + 1 }))}
        />
      )}
      <div className="file-body">
        {both && conflict !== null ? (
          <Suspense fallback={<Loading what="both texts" />}>
            <Merge theirs={conflict.text} mine={text} onSettle={file.settle} />
          </Suspense>
        ) : plain ? (
          <Plain
            text={text}
            caret={caret}
            invalid={wrong.length > 0}
            onType={file.type}
            onSave={file.save}
            onLine={onLine}
          />
        ) : (
          <Suspense fallback={<Loading what="the editor" lines={9} />}>
            <Editor
              text={text}
              outside={file.outside}
              diagnostics={wrong}
              flash={file.flash}
              caret={caret}
              onType={file.type}
              onSave={file.save}
              onLine={onLine}
            />
          </Suspense>
        )}
      </div>
    </>
  );
}

function SaveWords({ state, onSave }: { state: SaveState; onSave(): void }) {
  const words: Record<SaveState["kind"], string> = {
    saved: "saved",
    typing: "not saved yet",
    saving: "saving …",
    wrong: "not saved: it is not right yet",
    conflict: "not saved: choose below",
    failed: "not saved",
  };
  return (
    <span className={`file-state ${state.kind}`} role="status">
      {words[state.kind]}
      {state.kind === "failed" && (
        <>
          : {state.error.message}{" "}
          <Button small onClick={onSave}>
            Try again
          </Button>
        </>
      )}
    </span>
  );
}

function Wrong(props: { wrong: readonly Diagnostic[]; broken: boolean; onLine(line: number): void }) {
  const { wrong, onLine } = props;
  return (
    <details className="file-wrong" open>
      <summary>
        {count(wrong.length, "thing")} to put right
        {props.broken ? "; the app stays as it was until then" : " before Go"}
      </summary>
      <ul>
        {wrong.slice(0, 8).map((one, index) => (
          <li key={index}>
            <button type="button" onClick={() => onLine(one.line)}>
              line {one.line}
            </button>
            <span>
              {one.message}
              {one.help[0] && (
                <small>
                  {" "}
                  {one.help[0].text}
                  {one.help[0].command ? <code> {one.help[0].command}</code> : null}
                </small>
              )}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Plain(props: {
  text: string;
  caret: { line: number; mark: number } | null;
  invalid: boolean;
  onType(text: string): void;
  onSave(): void;
  onLine(line: number): void;
}) {
  const area = useRef<HTMLTextAreaElement>(null);
  const { caret } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new wish moves the caret
  useEffect(() => {
    const it = area.current;
    if (it === null || caret === null) return;
    const before = props.text
      .split("\n")
      .slice(0, caret.line - 1)
      .join("\n").length;
    const at = caret.line > 1 ? before + 1 : 0;
    it.setSelectionRange(at, at);
    it.scrollTop = Math.max(0, (caret.line - 6) * 20.8);
  }, [caret]);
  return (
    <textarea
      ref={area}
      className="file-plain-text"
      aria-label="app.toml"
      aria-invalid={props.invalid}
      spellCheck={false}
      autoCapitalize="off"
      autoComplete="off"
      value={props.text}
      onChange={(event) => props.onType(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          props.onSave();
        }
      }}
      onSelect={(event) => {
        const it = event.currentTarget;
        props.onLine(it.value.slice(0, it.selectionStart).split("\n").length);
      }}
    />
  );
}
