// A wire: colour and dash by interface, arrow towards the provider, a label when it is selected.
// Dashed and dim while planned, solid once its probe passed. Where next: WirePanel.tsx.
import { BaseEdge, EdgeLabelRenderer, type EdgeProps, getBezierPath } from "@xyflow/react";
import { memo } from "react";
import { dashOf } from "../state/interfaces";
import type { WireEdge as Edge } from "./graph";

const WORDS = { planned: "planned", granting: "login made", live: "live", refused: "refused" } as const;

function View(props: EdgeProps<Edge>) {
  const { data, selected, markerEnd } = props;
  const [path, x, y] = getBezierPath({ ...props, sourceX: props.sourceX + 6, targetX: props.targetX - 7 });
  if (!data) return null;
  const { wire, state, hue } = data;
  return (
    <>
      <g className="wire" data-state={state} data-hue={hue} data-selected={selected ? "" : undefined}>
        <BaseEdge
          path={path}
          markerEnd={markerEnd}
          interactionWidth={18}
          style={{ strokeDasharray: state === "planned" ? "3 5" : dashOf(wire.interface) }}
        />
      </g>
      {selected && (
        <EdgeLabelRenderer>
          <div
            className="wire-label"
            data-hue={hue}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
          >
            {wire.interface} · {WORDS[state]}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
}
export const WireView = memo(View);
