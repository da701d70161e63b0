// Undo, zoom and layout, at the foot of the canvas.
import { Hand, LayoutGrid, Maximize, Minus, MousePointer2, Plus, Redo2, Undo2 } from "lucide-react";
import type { Model } from "../api/types";
import { shortcutOf } from "../keys";
import { IconButton } from "../parts/Button";
import { useCanvas } from "../state/canvas";
import { redo, undo, useEdits } from "../state/edits";
import { emptyHistory, nextRedo, nextUndo, type Step } from "../state/history";
import { tidyUp } from "./keysOn";

const says = (step: Step | null, none: string) =>
  step === null ? none : step.kind === "verb" ? step.summary : step.kind === "move" ? "a move" : "a group";

export function Toolbar({ app, model }: { app: string; model: Model }) {
  const history = useEdits((it) => it.histories[app]) ?? emptyHistory;
  const hand = useCanvas((it) => it.hand);
  const put = useCanvas((it) => it.put);
  const back = nextUndo(history, model.history.undo);
  const forth = nextRedo(history, model.history.redo);
  return (
    <div className="toolbar" role="toolbar" aria-label="View and history">
      <IconButton
        label={`Undo ${says(back, "")}`.trim()}
        shortcut={shortcutOf("undo")}
        side="top"
        disabled={!back}
        onClick={() => void undo(app)}
      >
        <Undo2 size={16} aria-hidden="true" />
      </IconButton>
      <IconButton
        label={`Redo ${says(forth, "")}`.trim()}
        shortcut={shortcutOf("redo")}
        side="top"
        disabled={!forth}
        onClick={() => void redo(app)}
      >
        <Redo2 size={16} aria-hidden="true" />
      </IconButton>
      <span className="toolbar-line" />
      <IconButton
        label="Pointer"
        shortcut="V"
        side="top"
        aria-pressed={!hand}
        onClick={() => put({ hand: false })}
      >
        <MousePointer2 size={16} aria-hidden="true" />
      </IconButton>
      <IconButton
        label="Hand"
        shortcut="H"
        side="top"
        aria-pressed={hand}
        onClick={() => put({ hand: true })}
      >
        <Hand size={16} aria-hidden="true" />
      </IconButton>
      <span className="toolbar-line" />
      <IconButton label="Farther" shortcut="-" side="top" onClick={() => put({ view: "out" })}>
        <Minus size={16} aria-hidden="true" />
      </IconButton>
      <IconButton label="Nearer" shortcut="+" side="top" onClick={() => put({ view: "in" })}>
        <Plus size={16} aria-hidden="true" />
      </IconButton>
      <IconButton
        label="See everything"
        shortcut={shortcutOf("fit")}
        side="top"
        onClick={() => put({ view: "fit" })}
      >
        <Maximize size={15} aria-hidden="true" />
      </IconButton>
      <IconButton
        label="Tidy the layout"
        shortcut={shortcutOf("tidy")}
        side="top"
        onClick={() => void tidyUp(app)}
      >
        <LayoutGrid size={15} aria-hidden="true" />
      </IconButton>
    </div>
  );
}
