// The text of app.toml being edited: saved when it pauses and is right, kept when it is not, joined with
// what others write. Where next: buffer.ts (the rules), FilePage.tsx (how it is shown).
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { appPath, get, put, type Refusal } from "../api/client";
import { client, keys, queries } from "../api/queries";
import type { Diagnostic, FileText, Model } from "../api/types";
import { inOrder, unsaved } from "../state/edits";
import { arrived, type Buffer, dirty, keepMine, open, settle, takeTheirs, typed } from "./buffer";
import { changedLines } from "./tables";

export type SaveState =
  | { kind: "saved" }
  | { kind: "typing" }
  | { kind: "saving" }
  | { kind: "wrong"; diagnostics: Diagnostic[] }
  | { kind: "conflict" }
  | { kind: "failed"; error: Refusal };

export interface EditedFile {
  /** Null until the file has come. */
  buffer: Buffer | null;
  state: SaveState;
  error: Error | null;
  /** Grows whenever the text changed by another way than typing: only then the editor takes it over. */
  outside: number;
  /** Lines that somebody else changed just now; `mark` grows with each. */
  flash: { from: number; to: number; mark: number } | null;
  type(text: string): void;
  save(): void;
  keepMine(): void;
  takeTheirs(): void;
  settle(text: string): void;
  retry(): void;
}

/** So long after the last key the text is sent. */
const PAUSE_MS = 600;

export function useFile(app: string): EditedFile {
  const file = useQuery(queries.file(app));
  const [buffer, setBuffer] = useState<Buffer | null>(null);
  const [state, setState] = useState<SaveState>({ kind: "saved" });
  const [flash, setFlash] = useState<EditedFile["flash"]>(null);
  const [outside, setOutside] = useState(0);
  const current = useRef(buffer);
  current.current = buffer;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const busy = useRef(false);

  const change = useCallback((next: Buffer) => {
    current.current = next;
    setBuffer(next);
  }, []);

  const take = useCallback(
    (text: string, revision: string) => {
      const before = current.current;
      const next = before === null ? open(text, revision) : arrived(before, text, revision);
      if (before !== null && next.text !== before.text) {
        const lines = changedLines(before.text, next.text);
        setOutside((number) => number + 1);
        if (lines !== null) setFlash((last) => ({ ...lines, mark: (last?.mark ?? 0) + 1 }));
      }
      change(next);
      if (next.theirs !== null) setState({ kind: "conflict" });
      else if (!dirty(next)) setState({ kind: "saved" });
    },
    [change],
  );

  const save = useCallback(async () => {
    clearTimeout(timer.current);
    const sent = current.current;
    if (sent === null || sent.theirs !== null || busy.current) return;
    if (!dirty(sent)) {
      setState({ kind: "saved" });
      return;
    }
    busy.current = true;
    setState({ kind: "saving" });
    const { text, revision } = sent;
    const answer = await inOrder(() => put<{ model: Model }>(appPath(app, "/file"), { text, revision }));
    busy.current = false;
    const now = current.current ?? sent;
    if (answer.ok) {
      const { model } = answer.value;
      client.setQueryData(keys.model(app), model);
      client.setQueryData(keys.file(app), { text: sent.text, revision: model.revision });
      void client.invalidateQueries({ queryKey: keys.history(app) });
      change({ ...now, base: sent.text, revision: model.revision });
      if (now.text === sent.text) setState({ kind: "saved" });
      else timer.current = setTimeout(() => void saveNow.current(), PAUSE_MS);
      return;
    }
    if (answer.error.status === 422) {
      // Typed on meanwhile: what was wrong may be right by now.
      if (now.text === sent.text) setState({ kind: "wrong", diagnostics: answer.error.diagnostics });
      return;
    }
    if (answer.error.status === 409) {
      const fresh = await get<FileText>(appPath(app, "/file"));
      if (fresh.ok) {
        client.setQueryData(keys.file(app), fresh.value);
        take(fresh.value.text, fresh.value.revision);
        if (current.current?.theirs === null) timer.current = setTimeout(() => void saveNow.current(), 0);
        return;
      }
    }
    setState({ kind: "failed", error: answer.error });
  }, [app, change, take]);
  const saveNow = useRef(save);
  saveNow.current = save;

  useEffect(() => {
    if (file.data && !busy.current) take(file.data.text, file.data.revision);
  }, [file.data, take]);

  useEffect(() => {
    // A Go waits for what was typed a moment ago.
    const now = async () => {
      while (busy.current) await inOrder(async () => undefined);
      await saveNow.current();
      return current.current === null || !dirty(current.current);
    };
    unsaved.add(now);
    return () => {
      unsaved.delete(now);
      clearTimeout(timer.current);
      // What was typed in the last moment is not lost by leaving the page.
      if (current.current !== null && dirty(current.current)) void saveNow.current();
    };
  }, []);
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (current.current !== null && dirty(current.current)) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);

  const after = useCallback(
    (next: Buffer) => {
      change(next);
      setOutside((number) => number + 1);
      if (!dirty(next)) setState({ kind: "saved" });
      else void saveNow.current();
    },
    [change],
  );
  return {
    buffer,
    state,
    error: file.error,
    outside,
    flash,
    type: (text) => {
      if (buffer === null || text === current.current?.text) return;
      const next = typed(current.current ?? buffer, text);
      change(next);
      if (next.theirs !== null) return;
      clearTimeout(timer.current);
      setState((was) => (was.kind === "wrong" ? was : { kind: "typing" }));
      timer.current = setTimeout(() => void saveNow.current(), PAUSE_MS);
    },
    save: () => void save(),
    keepMine: () => current.current && after(keepMine(current.current)),
    takeTheirs: () => current.current && after(takeTheirs(current.current)),
    settle: (text) => current.current && after(settle(current.current, text)),
    retry: () => void file.refetch(),
  };
}
