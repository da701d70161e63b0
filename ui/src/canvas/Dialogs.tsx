// The lists and sheets that open over the canvas: connect, add beside, palette, keys, what was dropped.
import { useQuery } from "@tanstack/react-query";
import { Suspense, useMemo } from "react";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { InterfaceMark } from "../parts/Interface";
import { lazily } from "../parts/lazily";
import { type Choice, Picker } from "../parts/Picker";
import { newest } from "../shelf/Shelf";
import { useCanvas, type WireStart } from "../state/canvas";
import { choices, moduleFits } from "../state/fit";
import { addModule } from "./add";
import { GroupIcon } from "./icons";
import { tie } from "./tie";

const Palette = lazily(() => import("../palette/Palette").then((it) => ({ default: it.Palette })));
const KeysSheet = lazily(() => import("../palette/KeysSheet").then((it) => ({ default: it.KeysSheet })));
const GroupDialog = lazily(() => import("../groups/GroupDialog").then((it) => ({ default: it.GroupDialog })));
const QrDialog = lazily(() => import("../qr/QrDialog").then((it) => ({ default: it.QrDialog })));
const ImportDialog = lazily(() => import("./ImportDialog").then((it) => ({ default: it.ImportDialog })));

function Connect({ app, model, name }: { app: string; model: Model; name: string }) {
  const { data: catalogue } = useQuery(queries.catalogue());
  const block = model.blocks.find((it) => it.name === name);
  const put = useCanvas((it) => it.put);
  const list = useMemo((): Choice[] => {
    if (!block) return [];
    const ties = choices(model, block, catalogue).map(
      (it): Choice => ({
        id: `${it.consumer}.${it.socket}>${it.provider}.${it.offer}`,
        label:
          it.consumer === name
            ? `${it.socket} → ${it.provider}.${it.offer}`
            : `${it.consumer}.${it.socket} → ${it.offer}`,
        detail: `${it.consumer} needs ${it.interface}`,
        icon: <InterfaceMark name={it.interface} />,
        group: it.fit.fits ? "Fits" : "Does not fit",
        unless: it.fit.fits ? undefined : it.fit.why,
        pick: () => void tie(app, it).then(() => put({ toFocus: name })),
      }),
    );
    const open = block.sockets.filter((it) => it.providers.length === 0);
    const shelf = open.flatMap((socket) =>
      newest(catalogue?.modules ?? []).flatMap((module): Choice[] => {
        const start: WireStart = { block: name, port: socket.name, side: "need" };
        if (!moduleFits(model, start, module).fit.fits) return [];
        return [
          {
            id: `shelf/${socket.name}/${module.name}`,
            label: `${socket.name} → new ${module.name}`,
            detail: module.summary,
            icon: <GroupIcon group={module.group} />,
            group: "From the shelf",
            pick: () => void addModule(app, module, { start }).then(() => put({ toFocus: name })),
          },
        ];
      }),
    );
    const fit = ties.filter((it) => !it.unless);
    return [...fit, ...shelf, ...ties.filter((it) => it.unless)];
  }, [app, model, block, catalogue, name, put]);
  return (
    <Picker
      open
      title={`Connect ${name}`}
      placeholder="What should it be tied to?"
      choices={list}
      none={`Nothing here or on the shelf has an interface that ${name} needs or offers.`}
      onClose={() => put({ connecting: null })}
    />
  );
}

function AddBeside({
  app,
  model,
  beside,
}: {
  app: string;
  model: Model;
  beside: { block: string; side: "need" | "offer" };
}) {
  const { data: catalogue } = useQuery(queries.catalogue());
  const put = useCanvas((it) => it.put);
  const block = model.blocks.find((it) => it.name === beside.block);
  const list = useMemo((): Choice[] => {
    const ports =
      beside.side === "need"
        ? (block?.sockets.filter((it) => it.providers.length === 0) ?? [])
        : (block?.offers ?? []);
    return newest(catalogue?.modules ?? []).flatMap((module) => {
      const port = ports.find(
        (it) => moduleFits(model, { block: beside.block, port: it.name, side: beside.side }, module).fit.fits,
      );
      if (!port) return [];
      return [
        {
          id: module.name,
          label: module.name,
          detail: `${module.summary}; tied to ${beside.block}.${port.name}`,
          words: module.aliases,
          icon: <GroupIcon group={module.group} />,
          pick: () =>
            void addModule(app, module, {
              start: { block: beside.block, port: port.name, side: beside.side },
            }),
        },
      ];
    });
  }, [app, model, block, catalogue, beside]);
  const what = beside.side === "need" ? "an open socket" : "an offer";
  return (
    <Picker
      open
      title={beside.side === "need" ? `Add what ${beside.block} needs` : `Add what uses ${beside.block}`}
      placeholder="Module"
      choices={list}
      none={`${beside.block} has no ${what.replace(/^an? /, "")} that a module of the shelf fits.`}
      onClose={() => put({ addBeside: null, toFocus: beside.block })}
    />
  );
}

export function CanvasDialogs({ app, model }: { app: string; model: Model }) {
  const { connecting, addBeside, palette, keysSheet, dropped, grouping, qr } = useCanvas();
  return (
    <Suspense fallback={null}>
      {connecting && <Connect app={app} model={model} name={connecting} />}
      {addBeside && <AddBeside app={app} model={model} beside={addBeside} />}
      {palette && <Palette app={app} model={model} />}
      {keysSheet && <KeysSheet />}
      {grouping && <GroupDialog app={app} model={model} names={grouping} />}
      {qr && <QrDialog url={qr} />}
      {dropped && <ImportDialog app={app} dropped={dropped} />}
    </Suspense>
  );
}
