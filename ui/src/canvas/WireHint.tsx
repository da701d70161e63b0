// While a wire is being made: what is looked for, and how to stop.
import { X } from "lucide-react";
import { IconButton } from "../parts/Button";
import { useCanvas } from "../state/canvas";

export function WireHint() {
  const start = useCanvas((it) => it.start);
  if (!start) return null;
  return (
    <div className="wire-hint" role="status">
      <span>
        Tie <b>{`${start.block}.${start.port}`}</b>:{" "}
        {start.side === "need" ? "choose an offer with a tick" : "choose a need with a tick"}, or a module of
        the shelf
      </span>
      <kbd>Esc</kbd>
      <IconButton label="Stop tying" onClick={() => useCanvas.getState().begin(null)}>
        <X size={15} aria-hidden="true" />
      </IconButton>
    </div>
  );
}
