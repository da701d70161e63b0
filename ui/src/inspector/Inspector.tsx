// Everything about the selected block, in tabs; a few tabs each in a file of their own.
// Where next: SettingsTab.tsx, WiresTab.tsx, state/edits.ts.
import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import "./inspector.css";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { groupOf, ModuleIcon } from "../canvas/icons";
import { IconButton } from "../parts/Button";
import { Badge, Status } from "../parts/Status";
import { Tabs } from "../parts/Tabs";
import { type InspectorTab, useCanvas } from "../state/canvas";
import { fromText, rungOf } from "../state/spoken";
import { shownOf } from "../state/status";
import { AccessTab } from "./AccessTab";
import { AssumptionsTab } from "./AssumptionsTab";
import { DangerTab } from "./DangerTab";
import { FilesTab } from "./FilesTab";
import { RunsTab } from "./RunsTab";
import { SettingsTab } from "./SettingsTab";
import { WiresTab } from "./WiresTab";

export function Inspector({ app, model }: { app: string; model: Model }) {
  const selected = useCanvas((it) => it.selected);
  const tab = useCanvas((it) => it.tab);
  const { data: status } = useQuery(queries.status(app));
  const { data: catalogue } = useQuery(queries.catalogue());
  const block = model.blocks.find((it) => it.name === selected.at(-1));
  if (!block) return null;
  const shown = shownOf(block, status, null);
  const report = status?.blocks.find((it) => it.name === block.name);
  const missing = block.sockets.filter((it) => it.missing).length;
  const broken = block.assumptions.filter((it) => it.state === "broken").length;
  const close = () => {
    useCanvas.getState().put({ inspector: false, toFocus: block.name });
  };
  const about = { app, model, block };
  return (
    <aside
      className="inspector"
      aria-label={`Inspector of ${block.name}`}
      data-region="inspector"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) {
          event.stopPropagation();
          close();
        }
      }}
    >
      <header className="inspector-head">
        <ModuleIcon icon={block.icon} group={groupOf(block, catalogue)} large />
        <div className="grow">
          <h2>{block.name}</h2>
          <p className="muted small">{fromText(block)}</p>
        </div>
        <IconButton label="Close the inspector" shortcut="Esc" onClick={close}>
          <X size={17} aria-hidden="true" />
        </IconButton>
      </header>
      <p className="inspector-facts">
        <Status word={shown.word} detail={shown.detail} />
        {report && report.wanted > 0 && <Badge>{`${report.ready} of ${report.wanted} ready`}</Badge>}
        <Badge>{rungOf(block).word}</Badge>
        {block.staged && <Badge tone="warn">{`changed by ${block.staged.by}`}</Badge>}
      </p>
      {report?.detail && shown.word !== "ready" && <p className="inspector-detail">{report.detail}</p>}
      <Tabs
        key={block.name}
        label={`Parts of ${block.name}`}
        value={tab}
        onChange={(id) => useCanvas.getState().put({ tab: id as InspectorTab })}
        tabs={[
          { id: "settings", label: "Settings", content: <SettingsTab {...about} /> },
          {
            id: "wires",
            label: "Wires",
            note: missing > 0 ? String(missing) : undefined,
            content: <WiresTab {...about} catalogue={catalogue} />,
          },
          {
            id: "assumptions",
            label: "Assumptions",
            note: broken > 0 ? String(broken) : undefined,
            content: <AssumptionsTab {...about} catalogue={catalogue} />,
          },
          { id: "files", label: "Files", content: <FilesTab {...about} /> },
          { id: "runs", label: "Runs", content: <RunsTab {...about} status={report} /> },
          { id: "access", label: "Access", content: <AccessTab {...about} /> },
          {
            id: "danger",
            label: "Danger",
            content: <DangerTab {...about} status={report} catalogue={catalogue} />,
          },
        ]}
      />
    </aside>
  );
}
