// Sockets with what they are tied to and what each wire brings; offers with who uses them.
import { Cable, Link2Off, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Block, Catalogue, Model, Socket, Wire } from "../api/types";
import { untie } from "../canvas/tie";
import { Button, IconButton } from "../parts/Button";
import { InterfaceChip, InterfaceMark } from "../parts/Interface";
import { useCanvas } from "../state/canvas";
import { edit } from "../state/edits";
import { limitsText } from "../state/fit";
import { toName } from "../state/names";
import { isOwn } from "../state/spoken";

const CARDINALITY = {
  one: "exactly one",
  optional: "one or none",
  many: "any number",
  some: "at least one",
} as const;

/** What a wire brings into its consumer, and what is made for it. */
export function Delivered({ wire }: { wire: Wire }) {
  return (
    <details className="delivered">
      <summary>{`${wire.fields.length} values, ${wire.creates.length} objects`}</summary>
      <ul className="plain">
        {wire.fields.map((it) => (
          <li key={it.name}>
            <code>{it.env ?? it.name}</code>
            {it.secret && <span className="muted"> secret</span>}
          </li>
        ))}
        {wire.creates.map((it) => (
          <li key={it} className="muted">
            {it}
          </li>
        ))}
      </ul>
    </details>
  );
}

function SocketRow({
  app,
  model,
  block,
  socket,
}: {
  app: string;
  model: Model;
  block: Block;
  socket: Socket;
}) {
  const wires = model.wires.filter((it) => it.consumer === block.name && it.socket === socket.name);
  return (
    <section className={`inset ${socket.missing ? "inset-bad" : ""}`} aria-label={`Socket ${socket.name}`}>
      <div className="row">
        <InterfaceMark name={socket.interface} />
        <h3 className="grow">
          {socket.name}{" "}
          <span className="muted plain-weight">
            {socket.interface} {limitsText(socket.limits)} · {CARDINALITY[socket.cardinality]}
          </span>
        </h3>
        <Button
          small
          icon={<Cable size={14} aria-hidden="true" />}
          onClick={() => useCanvas.getState().put({ connecting: block.name })}
        >
          {socket.providers.length > 0 ? "Change" : "Connect"}
        </Button>
        {isOwn(block) && wires.length === 0 && (
          <IconButton
            label={`Remove the socket ${socket.name}`}
            onClick={() => void edit(app, [{ verb: "unneed", block: block.name, socket: socket.name }])}
          >
            <Trash2 size={14} aria-hidden="true" />
          </IconButton>
        )}
      </div>
      {socket.missing && <p className="bad-text">Needs {socket.interface}, and nothing is wired.</p>}
      {wires.map((wire) => (
        <div key={wire.provider} className="wire-row">
          <span className="grow">
            → <b>{wire.provider}</b>.{wire.offer}
            {wire.before_start && <span className="muted"> · {wire.provider} starts first</span>}
          </span>
          <IconButton
            label={`Unwire ${socket.name} from ${wire.provider}; its data stays`}
            onClick={() => void untie(app, wire)}
          >
            <Link2Off size={15} aria-hidden="true" />
          </IconButton>
          <Delivered wire={wire} />
        </div>
      ))}
    </section>
  );
}

function NewSocket({ app, block, catalogue }: { app: string; block: Block; catalogue?: Catalogue }) {
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState("");
  const [name, setName] = useState("");
  if (!open) {
    return (
      <Button small icon={<Plus size={14} aria-hidden="true" />} onClick={() => setOpen(true)}>
        Need something
      </Button>
    );
  }
  return (
    <form
      className="inset stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen === "" || name === "") return;
        void edit(app, [
          { verb: "need", block: block.name, socket: toName(name), interface: chosen, limits: {} },
        ]).then((it) => it && setOpen(false));
      }}
    >
      <select
        className="input"
        aria-label="Interface"
        value={chosen}
        onChange={(event) => {
          setChosen(event.target.value);
          if (name === "") setName(event.target.value.split("/")[0] ?? "");
        }}
      >
        <option value="">What does {block.name} need?</option>
        {catalogue?.interfaces.map((it) => (
          <option key={it.name} value={it.name}>
            {it.name} – {it.summary}
          </option>
        ))}
      </select>
      <input
        className="input"
        aria-label="Name of the socket"
        placeholder="name, such as db"
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <div className="row">
        <Button small type="submit" weight="primary" disabled={chosen === "" || name === ""}>
          Add the socket
        </Button>
        <Button small weight="quiet" onClick={() => setOpen(false)}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

export function WiresTab({
  app,
  model,
  block,
  catalogue,
}: {
  app: string;
  model: Model;
  block: Block;
  catalogue?: Catalogue;
}) {
  return (
    <div className="tab-body">
      {block.sockets.map((it) => (
        <SocketRow key={it.name} app={app} model={model} block={block} socket={it} />
      ))}
      {isOwn(block) && <NewSocket app={app} block={block} catalogue={catalogue} />}
      {block.offers.map((offer) => {
        const users = model.wires.filter((it) => it.provider === block.name && it.offer === offer.name);
        return (
          <section key={offer.name} className="inset" aria-label={`Offer ${offer.name}`}>
            <div className="row">
              <InterfaceChip name={offer.interface} label={`offers ${offer.interface} as ${offer.name}`} />
            </div>
            <p className="muted small">
              {Object.entries(offer.facts)
                .map(([name, value]) => `${name} ${value}`)
                .join(", ") || "states no facts"}
            </p>
            {users.length === 0 ? (
              <p className="small">Nobody uses it yet.</p>
            ) : (
              <ul className="plain">
                {users.map((it) => (
                  <li key={it.consumer + it.socket}>
                    ← <b>{it.consumer}</b>.{it.socket}
                  </li>
                ))}
              </ul>
            )}
          </section>
        );
      })}
      {block.sockets.length === 0 && block.offers.length === 0 && (
        <p className="muted small">It needs nothing and offers nothing yet.</p>
      )}
    </div>
  );
}
