// What this block takes for granted, whether it holds, and the way out as a button where one exists.
import { CircleCheck, CircleHelp, TriangleAlert } from "lucide-react";
import type { Block, Catalogue, Model } from "../api/types";
import { Button } from "../parts/Button";
import { useCanvas } from "../state/canvas";
import { edit } from "../state/edits";

/** What an `if-not` can do by itself: set a setting, use another module; null if it is only advice. */
export function wayOut(
  text: string,
  block: Block,
  catalogue?: Catalogue,
): { kind: "setting" | "module"; name: string } | null {
  const setting = /\bset ([a-z_][\w-]*)/i.exec(text)?.[1];
  if (setting && block.settings.some((it) => it.name === setting)) return { kind: "setting", name: setting };
  const module = /\buse ([a-z][\w-]*)/i.exec(text)?.[1];
  if (module && catalogue?.modules.some((it) => it.name === module)) return { kind: "module", name: module };
  return null;
}

const STATES = {
  holds: { word: "holds", icon: CircleCheck, tone: "good" },
  unknown: { word: "nobody can tell", icon: CircleHelp, tone: "idle" },
  broken: { word: "broken", icon: TriangleAlert, tone: "warn" },
} as const;

export function AssumptionsTab({
  app,
  block,
  catalogue,
}: {
  app: string;
  model: Model;
  block: Block;
  catalogue?: Catalogue;
}) {
  if (block.assumptions.length === 0) {
    return (
      <p className="tab-body muted small">
        Your own source assumes what you assume; it is not written down here.
      </p>
    );
  }
  const take = (out: NonNullable<ReturnType<typeof wayOut>>) => {
    if (out.kind === "module") {
      void edit(app, [{ verb: "use", block: block.name, module: out.name }]);
      return;
    }
    useCanvas.getState().openInspector("settings");
    setTimeout(() => document.querySelector<HTMLInputElement>(`[data-setting="${out.name}"]`)?.focus(), 50);
  };
  return (
    <ul className="tab-body">
      {block.assumptions.map((it) => {
        const state = STATES[it.state] ?? STATES.unknown;
        const Icon = state.icon;
        const out = wayOut(it.if_not, block, catalogue);
        return (
          <li key={it.name} className={`inset assumption tone-${state.tone}`}>
            <Icon size={17} aria-hidden="true" />
            <div>
              <p>{it.says}</p>
              <p className="small">
                <span className="tone-text">{state.word}</span>
                {it.because && <span className="muted"> – {it.because}</span>}
              </p>
              {out ? (
                <Button small onClick={() => take(out)}>{`If not: ${it.if_not}`}</Button>
              ) : (
                <p className="muted small">If not: {it.if_not}.</p>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
