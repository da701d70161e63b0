// The report on a text while it is typed or pasted: asked when it pauses, the last answer wins.
import { useEffect, useState } from "react";
import type { Refusal } from "../api/client";
import type { ImportReport } from "../api/types";
import { askImport, type Foreign } from "./take";

const PAUSE_MS = 300;

export interface Asked {
  report: ImportReport | null;
  error: Refusal | null;
  busy: boolean;
}
const NOTHING: Asked = { report: null, error: null, busy: false };

export function useImport({ text, path, name, files }: Foreign): Asked {
  const [asked, setAsked] = useState<Asked>(NOTHING);
  const beside = JSON.stringify(files ?? {});
  useEffect(() => {
    if (text.trim() === "") {
      setAsked(NOTHING);
      return;
    }
    const control = new AbortController();
    setAsked((before) => ({ ...before, busy: true }));
    const timer = setTimeout(async () => {
      const foreign: Foreign = { text, files: JSON.parse(beside) as Record<string, string> };
      if (path) foreign.path = path;
      if (name) foreign.name = name;
      const answer = await askImport(foreign, control.signal);
      if (control.signal.aborted) return;
      setAsked(
        answer.ok
          ? { report: answer.value, error: null, busy: false }
          : { report: null, error: answer.error, busy: false },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text, path, name, beside]);
  return asked;
}
