// A block on the canvas. What it says is always there as text; how much of it is drawn at which zoom
// is decided by CSS alone (data-zoom on the canvas). Where next: Sockets.tsx, verbs.tsx.
import { useQuery } from "@tanstack/react-query";
import type { NodeProps } from "@xyflow/react";
import {
  Copy,
  Ellipsis,
  ExternalLink,
  Globe,
  PencilLine,
  RotateCw,
  ScrollText,
  SquareTerminal,
  TriangleAlert,
} from "lucide-react";
import { memo } from "react";
import { queries } from "../api/queries";
import { useDrawers } from "../drawers/state";
import { IconButton } from "../parts/Button";
import { toast } from "../parts/Live";
import { Menu, RightClickMenu } from "../parts/Menu";
import { Panel } from "../parts/Panel";
import { Badge, Status } from "../parts/Status";
import { useCanvas } from "../state/canvas";
import { fromText, rungOf, spokenOf } from "../state/spoken";
import { trafficOf, trafficWords } from "../state/traffic";
import type { BlockNode as Node } from "./graph";
import { ModuleIcon } from "./icons";
import { NameField } from "./NameField";
import { NeedPort, OfferPort } from "./Sockets";
import { blockEntries, restart } from "./verbs";

function Rung({ data }: { data: Node["data"] }) {
  const rung = rungOf(data.block);
  return (
    <Panel
      label={`What ${rung.word} means`}
      trigger={
        <button
          type="button"
          tabIndex={-1}
          className="rung nopan"
          data-rung={data.block.rung}
          aria-label={`${rung.word}: what it costs`}
        >
          {rung.word}
        </button>
      }
    >
      <h3>{rung.word}</h3>
      <p>{rung.costs}</p>
      <p className="muted">The way back: {rung.back}</p>
    </Panel>
  );
}

function Rate({ app, block }: { app: string; block: string }) {
  const { data } = useQuery({ ...queries.metrics(app), retry: false });
  const traffic = trafficOf(data, block);
  if (!traffic) return null;
  const words = trafficWords(traffic);
  return (
    <span
      className="muted"
      title={`${words} through the address, in the last ${data?.every_seconds} seconds`}
    >
      {words}
    </span>
  );
}

function Address({ app, block, url }: { app: string; block: string; url: string | null }) {
  if (!url) {
    return (
      <p className="block-url private">
        <Globe size={12} aria-hidden="true" />
        <span>public after Go</span>
      </p>
    );
  }
  return (
    <p className="block-url">
      <Globe size={12} aria-hidden="true" />
      <a className="nopan" href={url} target="_blank" rel="noreferrer" tabIndex={-1}>
        {url.replace(/^https?:\/\//, "")}
      </a>
      <Rate app={app} block={block} />
      <button
        type="button"
        className="mini nopan"
        tabIndex={-1}
        aria-label={`Copy ${url}`}
        onClick={() => void navigator.clipboard?.writeText(url).then(() => toast("Address copied"))}
      >
        <Copy size={12} aria-hidden="true" />
      </button>
      <a
        className="mini nopan"
        tabIndex={-1}
        href={url}
        target="_blank"
        rel="noreferrer"
        aria-label={`Open ${url}`}
      >
        <ExternalLink size={12} aria-hidden="true" />
      </a>
    </p>
  );
}

function Footer({ data }: { data: Node["data"] }) {
  const { app, block } = data;
  const open = useDrawers((it) => it.open);
  return (
    <div className="block-footer nopan">
      <IconButton
        label={`Logs of ${block.name}`}
        tabIndex={-1}
        onClick={() => open("logs", { block: block.name })}
      >
        <ScrollText size={15} aria-hidden="true" />
      </IconButton>
      <IconButton
        label={`Terminal in ${block.name}`}
        tabIndex={-1}
        onClick={() => open("terminal", { block: block.name })}
      >
        <SquareTerminal size={15} aria-hidden="true" />
      </IconButton>
      <IconButton
        label={`Restart ${block.name}`}
        tabIndex={-1}
        disabled={!data.status}
        onClick={() => void restart(app, block.name)}
      >
        <RotateCw size={15} aria-hidden="true" />
      </IconButton>
      <Menu entries={blockEntries(app, block, data.status)} label={`Verbs of ${block.name}`}>
        <IconButton label={`More verbs of ${block.name}`} tabIndex={-1}>
          <Ellipsis size={15} aria-hidden="true" />
        </IconButton>
      </Menu>
    </div>
  );
}

function View({ data, selected }: NodeProps<Node>) {
  const { app, block, shown, status, readOnly } = data;
  const roving = useCanvas((it) => it.focus === block.name);
  const renaming = useCanvas((it) => it.renaming === block.name);
  const broken = block.assumptions.filter((it) => it.state === "broken");
  const copies = status && status.wanted > 0 ? `${status.ready}/${status.wanted}` : null;
  const body = (
    <article
      className="block"
      data-status={shown.word}
      data-selected={selected ? "" : undefined}
      data-broken={broken.length > 0 ? "" : undefined}
    >
      <header className="block-head">
        <ModuleIcon icon={block.icon} group={data.group} />
        <div className="block-title">
          {renaming ? (
            <NameField app={app} name={block.name} />
          ) : (
            <button
              type="button"
              className="block-name"
              data-block-button={block.name}
              tabIndex={roving ? 0 : -1}
              aria-label={spokenOf(block, shown, status)}
              aria-pressed={selected}
              onFocus={() => useCanvas.getState().setFocus(block.name)}
              onDoubleClick={() => !readOnly && useCanvas.getState().put({ renaming: block.name })}
            >
              {block.name}
            </button>
          )}
          <Status word={shown.word} detail={shown.detail} />
        </div>
        <div className="block-marks">
          {data.people !== "" && (
            <span className="avatar small-avatar" role="img" aria-label={`${data.people} is here`}>
              {data.people}
            </span>
          )}
          {broken.length > 0 && (
            <span
              className="mark-broken"
              role="img"
              aria-label="An assumption is broken"
              title={broken.map((it) => it.says).join(" ")}
            >
              <TriangleAlert size={14} aria-hidden="true" />
            </span>
          )}
          {block.staged && (
            <span
              className="mark-staged"
              role="img"
              aria-label={`Changed by ${block.staged.by}, not yet live`}
              title={`Changed by ${block.staged.by}`}
            >
              <PencilLine size={11} aria-hidden="true" />
              {block.staged.initials}
            </span>
          )}
        </div>
      </header>
      <div className="block-facts">
        <span className="block-from" title={block.from.image}>
          {fromText(block)}
        </span>
        {copies && <Badge>{copies}</Badge>}
        <span className="grow" />
        <Rung data={data} />
      </div>
      {block.public && <Address app={app} block={block.name} url={data.url} />}
      {(block.offers.length > 0 || block.sockets.length > 0) && (
        <div className="block-ports">
          <div className="ports-left">
            {block.offers.map((it) => (
              <OfferPort
                key={it.name}
                app={app}
                block={block}
                offer={it}
                uses={data.uses?.[it.name] ?? 0}
                readOnly={readOnly}
              />
            ))}
          </div>
          <div className="ports-right">
            {block.sockets.map((it) => (
              <NeedPort key={it.name} app={app} block={block} socket={it} readOnly={readOnly} />
            ))}
          </div>
        </div>
      )}
      <div className="block-bar" aria-hidden="true">
        {shown.word}
      </div>
      {(selected || roving) && !readOnly && <Footer data={data} />}
    </article>
  );
  if (readOnly) return body;
  return (
    <RightClickMenu entries={() => blockEntries(app, block, status)} label={`Verbs of ${block.name}`}>
      {body}
    </RightClickMenu>
  );
}
export const BlockView = memo(
  View,
  (a, b) => a.data === b.data && a.selected === b.selected && a.dragging === b.dragging,
);
