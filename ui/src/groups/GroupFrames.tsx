// The frames of groups, drawn under the blocks in the canvas's own space. The name is a button that
// selects the group's blocks: dragging one of them then moves all. Where next: groups.ts.
import { ViewportPortal } from "@xyflow/react";
import { useMemo } from "react";
import type { Model, Positions } from "../api/types";
import type { BlockNode } from "../canvas/graph";
import { announce } from "../parts/Live";
import { useCanvas } from "../state/canvas";
import { framesOf } from "./groups";

export function GroupFrames({ model, nodes }: { model: Model; nodes: readonly BlockNode[] }) {
  const grouped = model.blocks.some((it) => it.group);
  const frames = useMemo(() => {
    if (!grouped) return [];
    const at: Positions = {};
    const tall: Record<string, number | undefined> = {};
    for (const it of nodes) {
      at[it.id] = it.position;
      tall[it.id] = it.measured?.height;
    }
    return framesOf(model, at, tall);
  }, [grouped, model, nodes]);
  if (frames.length === 0) return null;
  return (
    <ViewportPortal>
      {frames.map((it) => (
        <div
          key={it.name}
          className="group-frame"
          style={{ transform: `translate(${it.x}px, ${it.y}px)`, width: it.width, height: it.height }}
        >
          <button
            type="button"
            tabIndex={-1}
            className="group-name nopan"
            aria-label={`Select group ${it.name}, ${it.members.length} blocks`}
            onClick={(event) => {
              event.stopPropagation();
              useCanvas.getState().select(it.members);
              announce(`Group ${it.name}: ${it.members.join(", ")}`);
            }}
          >
            {it.name}
          </button>
        </div>
      ))}
    </ViewportPortal>
  );
}
