// The selected wire, or the one just made: what it creates, what it delivers, and the way back.
import { useQuery } from "@tanstack/react-query";
import { ArrowRight, KeyRound, Link2Off, Link as LinkIcon, Undo2, X } from "lucide-react";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { Delivered } from "../inspector/WiresTab";
import { Button, IconButton } from "../parts/Button";
import { InterfaceMark } from "../parts/Interface";
import { useCanvas } from "../state/canvas";
import { undo } from "../state/edits";
import { limitsText } from "../state/fit";
import { noRotation, rotate, share } from "./care";
import { wireId } from "./graph";
import { untie } from "./tie";

export function WirePanel({ app, model }: { app: string; model: Model }) {
  const chosen = useCanvas((it) => it.wire);
  const made = useCanvas((it) => it.madeWire);
  const { data: status } = useQuery({ ...queries.status(app), retry: false });
  const wire = model.wires.find((it) => wireId(it) === (chosen ?? made));
  if (!wire) return null;
  const close = () => useCanvas.getState().put({ wire: null, madeWire: null });
  return (
    <section className="wire-panel card" aria-label={`Wire from ${wire.consumer} to ${wire.provider}`}>
      <header className="row">
        <InterfaceMark name={wire.interface} />
        <h2 className="grow">
          {`${wire.consumer}.${wire.socket}`} <ArrowRight size={13} aria-label="to" /> {wire.provider}
        </h2>
        <IconButton label="Close" onClick={close}>
          <X size={15} aria-hidden="true" />
        </IconButton>
      </header>
      <ul className="wire-facts">
        <li>{`A login of its own on ${wire.provider}`}</li>
        <li>
          {wire.before_start
            ? `${wire.provider} is up before ${wire.consumer} starts`
            : "Nobody waits for the other"}
        </li>
        {wire.limits.length > 0 && <li>{`Checked: ${limitsText(wire.limits)}`}</li>}
      </ul>
      <Delivered wire={wire} />
      <footer className="row">
        {made && !chosen ? (
          <Button
            small
            icon={<Undo2 size={14} aria-hidden="true" />}
            onClick={() => {
              close();
              void undo(app);
            }}
          >
            Undo
          </Button>
        ) : (
          <Button
            small
            icon={<Link2Off size={14} aria-hidden="true" />}
            onClick={() => void untie(app, wire)}
          >
            Unwire
          </Button>
        )}
        {!noRotation(wire, status) && (
          <Button
            small
            icon={<KeyRound size={14} aria-hidden="true" />}
            onClick={() => void rotate(app, wire)}
          >
            New login
          </Button>
        )}
        <IconButton label="Copy a link to this wire" onClick={() => share(app, { wire: wireId(wire) })}>
          <LinkIcon size={14} aria-hidden="true" />
        </IconButton>
        <span className="muted small">Unwiring deletes no data; the next Go takes its login away.</span>
      </footer>
    </section>
  );
}
