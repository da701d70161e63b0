// What can be done to a block or a wire, as menu entries: the canvas, the Outline and the palette all
// show these. Where next: state/edits.ts (how a verb is sent).
import {
  ArrowUpCircle,
  Cable,
  Copy,
  Crosshair,
  Files,
  Group,
  KeyRound,
  LineChart,
  Link2Off,
  Link as LinkIcon,
  PanelRight,
  Pencil,
  QrCode,
  RotateCw,
  ScrollText,
  Sparkles,
  SquareTerminal,
  Trash2,
} from "lucide-react";
import { appPath, post } from "../api/client";
import { client, keys } from "../api/queries";
import type { Block, BlockStatus, Catalogue, Edit, Model, StatusReport, Wire } from "../api/types";
import { useDrawers } from "../drawers/state";
import { shortcutOf } from "../keys";
import { toast } from "../parts/Live";
import type { Entries } from "../parts/Menu";
import { useCanvas } from "../state/canvas";
import { edit, modelOf } from "../state/edits";
import { freeName } from "../state/names";
import { isOwn } from "../state/spoken";
import { unplaced } from "./add";
import { noRotation, rotate, share } from "./care";
import { ghostsOf } from "./ghost";
import { wireId } from "./graph";
import { freePlace, placeAll } from "./place";
import { untie } from "./tie";

export async function restart(app: string, block: string): Promise<void> {
  const answer = await post(appPath(app, "/restart"), { block });
  if (answer.ok)
    toast(`${block} restarts, one copy after the other`, { command: `shelf -a ${app} restart ${block}` });
  else toast(answer.error.message, { tone: "bad" });
}

export async function removeBlocks(app: string, names: string[]): Promise<void> {
  const model = modelOf(app);
  if (!model || names.length === 0) return;
  const next = model.blocks.find((it) => !names.includes(it.name))?.name ?? null;
  const unwire: Edit[] = model.wires
    .filter((it) => names.includes(it.provider) && !names.includes(it.consumer))
    .map((it) => ({ verb: "unwire", block: it.consumer, socket: it.socket, provider: it.provider }));
  const gone: Edit[] = names.map((block) => ({ verb: "remove", block }));
  const edited = await edit(app, [...unwire, ...gone]);
  if (!edited) return;
  useCanvas.getState().select([]);
  useCanvas.getState().put({ inspector: false, toFocus: next });
  const disks = model.blocks.filter((it) => names.includes(it.name) && it.disks.length > 0).length;
  toast(`${names.join(", ")} removed${disks > 0 ? "; the data stays on its disk" : ""}`, {
    command: edited.command,
  });
}

export async function duplicate(app: string, names: string[]): Promise<void> {
  const model = modelOf(app);
  if (!model) return;
  const taken = model.blocks.map((it) => it.name);
  const placed = placeAll(model);
  const place = unplaced(app);
  const edits: Edit[] = [];
  const made: string[] = [];
  for (const block of model.blocks.filter((it) => names.includes(it.name))) {
    const name = freeName(block.name, taken);
    taken.push(name);
    made.push(name);
    const { from } = block;
    if (from.kind === "module")
      edits.push({ verb: "add", block: name, use: `${from.module}@${(from.version ?? "").split(".")[0]}` });
    else if (from.kind === "image") {
      const port = block.processes.find((it) => it.port)?.port;
      edits.push({ verb: "add", block: name, image: from.image, ...(port && { port }) });
    } else edits.push({ verb: "add", block: name, source: from.path ?? `./${name}` });
    for (const it of block.settings) {
      if (it.origin === "you" && it.value !== null)
        edits.push({ verb: "set", block: name, setting: it.name, value: it.value });
    }
    if (isOwn(block)) {
      for (const it of block.sockets)
        edits.push({ verb: "need", block: name, socket: it.name, interface: it.interface, limits: {} });
    }
    const at = placed[block.name] ?? { x: 0, y: 0 };
    const free = freePlace({ x: at.x + 32, y: at.y + 176 }, placed);
    placed[name] = free;
    place[name] = free;
  }
  const edited = await edit(app, edits, { place });
  if (edited) {
    useCanvas.getState().select(made);
    useCanvas.getState().put({ toFocus: made[0] ?? null });
  }
}

/** The newest version on the shelf, if it is newer than the block's. */
export function newerOf(block: Block): string | null {
  const { from } = block;
  if (from.kind !== "module") return null;
  const newest =
    from.newest ??
    client.getQueryData<Catalogue>(keys.catalogue)?.modules.find((it) => it.name === from.module)?.version;
  return newest && newest !== from.version ? newest : null;
}

const NO_MODEL = { blocks: [], wires: [] } as unknown as Model;

export function blockEntries(app: string, block: Block, status?: BlockStatus): Entries {
  const canvas = useCanvas.getState();
  const drawers = useDrawers.getState();
  const newer = newerOf(block);
  const notRunning = status ? null : "It has not run yet";
  const url = typeof block.public === "string" ? block.public : (modelOf(app)?.url ?? null);
  return [
    {
      label: "Inspect",
      icon: <PanelRight />,
      shortcut: shortcutOf("open"),
      run: () => {
        canvas.select([block.name]);
        canvas.openInspector();
      },
    },
    {
      label: "Connect…",
      icon: <Cable />,
      shortcut: shortcutOf("connect"),
      run: () => canvas.put({ connecting: block.name }),
    },
    ...ghostsOf(modelOf(app) ?? NO_MODEL, block.name, client.getQueryData<Catalogue>(keys.catalogue)).map(
      (it, index) => ({
        label: `Next: ${it.label}`,
        icon: <Sparkles />,
        shortcut: index === 0 ? shortcutOf("ghost") : undefined,
        run: () => void import("./GhostHint").then((hint) => hint.takeGhost(app, block.name, it)),
      }),
    ),
    {
      label: "Show on the canvas",
      icon: <Crosshair />,
      run: () => canvas.put({ toFocus: block.name, toCentre: block.name }),
    },
    "line",
    {
      label: "Logs",
      icon: <ScrollText />,
      shortcut: shortcutOf("logs"),
      run: () => drawers.open("logs", { block: block.name }),
    },
    {
      label: "Terminal",
      icon: <SquareTerminal />,
      shortcut: shortcutOf("terminal"),
      unless: notRunning,
      run: () => drawers.open("terminal", { block: block.name }),
    },
    {
      label: "Metrics",
      icon: <LineChart />,
      shortcut: shortcutOf("metrics"),
      run: () => drawers.open("metrics", { block: block.name }),
    },
    { label: "Restart", icon: <RotateCw />, unless: notRunning, run: () => void restart(app, block.name) },
    "line",
    {
      label: "Rename",
      icon: <Pencil />,
      shortcut: shortcutOf("rename"),
      run: () => canvas.put({ renaming: block.name }),
    },
    {
      label: "Duplicate",
      icon: <Copy />,
      shortcut: shortcutOf("duplicate"),
      run: () => void duplicate(app, [block.name]),
    },
    ...(newer
      ? [
          {
            label: `Use ${block.from.module} ${newer}`,
            icon: <ArrowUpCircle />,
            run: () =>
              void edit(app, [
                { verb: "use", block: block.name, module: `${block.from.module}@${newer.split(".")[0]}` },
              ]),
          },
        ]
      : []),
    {
      label: block.group ? `Group ${block.group}…` : "Group…",
      icon: <Group />,
      shortcut: shortcutOf("group"),
      run: () => {
        const { selected } = useCanvas.getState();
        canvas.put({ grouping: selected.includes(block.name) ? selected : [block.name] });
      },
    },
    ...(block.public
      ? [
          {
            label: "QR code of the address",
            icon: <QrCode />,
            unless: url ? null : "it has no address before its first Go",
            run: () => canvas.put({ qr: url }),
          },
        ]
      : []),
    {
      label: "Copy a link to it",
      icon: <LinkIcon />,
      run: () => share(app, { block: block.name }),
    },
    {
      label: "Files and disks",
      icon: <Files />,
      run: () => {
        canvas.select([block.name]);
        canvas.openInspector("files");
      },
    },
    "line",
    {
      label: "Remove (data stays)",
      icon: <Trash2 />,
      shortcut: shortcutOf("remove"),
      danger: true,
      run: () => void removeBlocks(app, [block.name]),
    },
  ];
}

export function wireEntries(app: string, wire: Wire): Entries {
  const canvas = useCanvas.getState();
  return [
    {
      label: "What it creates",
      icon: <Cable />,
      run: () => canvas.selectWire(wireId(wire)),
    },
    {
      label: `Go to ${wire.provider}`,
      icon: <Crosshair />,
      run: () => canvas.put({ toFocus: wire.provider, toCentre: wire.provider }),
    },
    {
      label: "New login",
      icon: <KeyRound />,
      unless: noRotation(wire, client.getQueryData<StatusReport>(keys.status(app))),
      run: () => void rotate(app, wire),
    },
    { label: "Copy a link to it", icon: <LinkIcon />, run: () => share(app, { wire: wireId(wire) }) },
    "line",
    { label: "Unwire (data stays)", icon: <Link2Off />, danger: true, run: () => void untie(app, wire) },
  ];
}
