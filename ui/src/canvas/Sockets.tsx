// Sockets and offers of a block: each a real button with letter, colour and label. A click begins a
// wire and a second click ends it; dragging does the same. Where next: state/fit.ts (the rules).
import { Handle, Position } from "@xyflow/react";
import { Check } from "lucide-react";
import { memo } from "react";
import { client, keys } from "../api/queries";
import type { Block, Catalogue, Model, Offer, Socket } from "../api/types";
import { InterfaceMark } from "../parts/Interface";
import { useCanvas, type WireStart } from "../state/canvas";
import { type Fit, fits, limitsText } from "../state/fit";
import { hueOf } from "../state/interfaces";
import { finishWire } from "./tie";

interface PortProps {
  app: string;
  port: WireStart;
  label: string;
  interfaceName: string;
  spoken: string;
  missing?: boolean;
  tied: boolean;
  note?: string;
  readOnly: boolean;
}

function useFit(app: string, port: WireStart): Fit | "start" | null {
  const start = useCanvas((it) => it.start);
  if (!start) return null;
  // Read without listening: hundreds of ports would otherwise each watch both queries.
  const model = client.getQueryData<Model>(keys.model(app));
  const catalogue = client.getQueryData<Catalogue>(keys.catalogue);
  if (!model) return null;
  if (start.block === port.block && start.port === port.port && start.side === port.side) return "start";
  return fits(model, start, port, catalogue);
}

function PortFit(props: PortProps) {
  const { app, port, label, interfaceName, spoken, missing, tied, note, readOnly } = props;
  const fit = useFit(app, port);
  const why = fit && fit !== "start" && !fit.fits ? fit.why : null;
  const state = fit === null ? "" : fit === "start" ? "start" : fit.fits ? "fits" : "not";
  const press = () => {
    const { start, begin } = useCanvas.getState();
    if (!start) begin(port);
    else if (fit === "start") begin(null);
    else void finishWire(app, start, port);
  };
  return (
    <Handle
      id={`${port.side}:${port.port}`}
      type={port.side === "need" ? "source" : "target"}
      position={port.side === "need" ? Position.Right : Position.Left}
      className={`port ${port.side}`}
      data-fit={state}
      data-missing={missing ? "" : undefined}
      data-tied={tied ? "" : undefined}
      data-hue={hueOf(interfaceName)}
      isConnectable={!readOnly}
    >
      <button
        type="button"
        tabIndex={-1}
        className="port-button nopan"
        aria-label={why ? `${spoken}: does not fit, ${why}` : state === "fits" ? `${spoken}: fits` : spoken}
        aria-pressed={state === "start" ? true : undefined}
        aria-disabled={why ? true : undefined}
        title={why ? `Does not fit: ${why}` : spoken}
        disabled={readOnly}
        onClick={(event) => {
          event.stopPropagation();
          press();
        }}
      >
        <span className="port-dot" aria-hidden="true">
          {state === "fits" && <Check size={9} strokeWidth={4} />}
        </span>
        <InterfaceMark name={interfaceName} />
        <span className="port-label">{label}</span>
        {note && <span className="port-note" data-note={note} aria-hidden="true" />}
      </button>
      {why && <span className="port-why">{why}</span>}
    </Handle>
  );
}
const Port = memo(
  PortFit,
  (a, b) =>
    a.port.block === b.port.block &&
    a.port.port === b.port.port &&
    a.tied === b.tied &&
    a.missing === b.missing &&
    a.spoken === b.spoken &&
    a.readOnly === b.readOnly &&
    a.label === b.label,
);

const MARKS = { one: "", optional: "?", many: "*", some: "+" } as const;

export function NeedPort({
  app,
  block,
  socket,
  readOnly,
}: {
  app: string;
  block: Block;
  socket: Socket;
  readOnly: boolean;
}) {
  const limits = limitsText(socket.limits);
  const what = `needs ${socket.interface}${limits ? ` ${limits}` : ""}`;
  const tie =
    socket.providers.length > 0
      ? `wired to ${socket.providers.join(" and ")}`
      : socket.missing
        ? "not wired"
        : "optional, not wired";
  return (
    <Port
      app={app}
      port={{ block: block.name, port: socket.name, side: "need" }}
      label={socket.missing ? `needs ${socket.interface}` : socket.name}
      interfaceName={socket.interface}
      spoken={`${block.name}.${socket.name} ${what}, ${tie}`}
      missing={socket.missing}
      tied={socket.providers.length > 0}
      note={MARKS[socket.cardinality] || undefined}
      readOnly={readOnly}
    />
  );
}

export function OfferPort({
  app,
  block,
  offer,
  uses,
  readOnly,
}: {
  app: string;
  block: Block;
  offer: Offer;
  uses: number;
  readOnly: boolean;
}) {
  const version = offer.facts.version ? ` ${offer.facts.version}` : "";
  return (
    <Port
      app={app}
      port={{ block: block.name, port: offer.name, side: "offer" }}
      label={offer.name}
      interfaceName={offer.interface}
      spoken={`${block.name}.${offer.name} offers ${offer.interface}${version}, ${uses === 0 ? "nobody uses it" : `used by ${uses}`}`}
      tied={uses > 0}
      readOnly={readOnly}
    />
  );
}
