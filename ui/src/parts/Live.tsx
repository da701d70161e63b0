// What happened, said twice: as a toast for eyes, in one polite live region for ears. The region
// speaks at most one line in two seconds; the newest line wins. Where next: Toasts in main.tsx.
import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useEffect, useState } from "react";
import { create } from "zustand";
import { onTarget } from "../api/target";
import { Button, IconButton } from "./Button";

export interface Toast {
  id: number;
  text: string;
  /** The command that does the same, shown in small type. */
  command?: string;
  tone: "good" | "bad";
  action?: { label: string; run(): void };
}
interface LiveState {
  line: string;
  toasts: Toast[];
}
const PAUSE_MS = 2000;
const SHOWN_MS = 7000;
const MOST = 3;

const useAnnounced = create<LiveState>()(() => ({ line: "", toasts: [] }));
let spokenAt = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;
let nextId = 1;

/** Speaks a line to those who listen; lines that come too fast replace one another. */
export function announce(line: string): void {
  clearTimeout(waiting);
  const wait = Math.max(0, spokenAt + PAUSE_MS - Date.now());
  waiting = setTimeout(() => {
    spokenAt = Date.now();
    useAnnounced.setState({ line });
  }, wait);
}

/** Shows and speaks what happened; errors stay until put away. */
export function toast(text: string, options: Partial<Omit<Toast, "id" | "text">> = {}): void {
  const it: Toast = { id: nextId++, text, tone: "good", ...options };
  useAnnounced.setState((before) => ({ toasts: [...before.toasts, it].slice(-MOST) }));
  announce(text);
  if (it.tone !== "bad" && !it.action) setTimeout(() => putAway(it.id), SHOWN_MS);
}
function putAway(id: number): void {
  useAnnounced.setState((before) => ({ toasts: before.toasts.filter((it) => it.id !== id) }));
}

/** Puts errors away that a later success has overtaken. */
export function clearBad(): void {
  useAnnounced.setState((before) => ({ toasts: before.toasts.filter((it) => it.tone !== "bad") }));
}

/** The region and the toasts; once, at the end of the page. */
export function Live() {
  const { line, toasts } = useAnnounced();
  const [shown, setShown] = useState("");
  useEffect(() => setShown(line), [line]);
  return (
    <>
      <div className="spoken" role="status" aria-live="polite" aria-label="What happened">
        {shown}
      </div>
      <section className="toasts" aria-label="Notices">
        {toasts.map((it) => (
          <div key={it.id} className={`toast tone-${it.tone}`}>
            {it.tone === "bad" ? (
              <CircleAlert size={16} aria-hidden="true" />
            ) : (
              <CircleCheck size={16} aria-hidden="true" />
            )}
            <div>
              <p>{it.text}</p>
              {it.command && <code>{onTarget(it.command)}</code>}
            </div>
            {it.action && (
              <Button
                small
                onClick={() => {
                  it.action?.run();
                  putAway(it.id);
                }}
              >
                {it.action.label}
              </Button>
            )}
            <IconButton label="Put away" onClick={() => putAway(it.id)}>
              <X size={15} aria-hidden="true" />
            </IconButton>
          </div>
        ))}
      </section>
    </>
  );
}
