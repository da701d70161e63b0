// What the person does on the canvas of one app: selection, focus, the socket being tied, what is
// open. Never the model itself: that is the server's. Where next: state/edits.ts, canvas/CanvasPage.tsx.
import { create } from "zustand";

/** A socket or an offer a wire was begun at. */
export interface WireStart {
  block: string;
  /** A socket's name (`need`) or an offer's (`offer`). */
  port: string;
  side: "need" | "offer";
}
/** Something dropped that cannot simply be a block. */
export interface Dropped {
  name: string;
  kind: "folder" | "compose" | "manifest" | "env" | "other" | "source" | "image";
  text?: string;
  at?: { x: number; y: number };
}
export type InspectorTab = "settings" | "wires" | "assumptions" | "files" | "runs" | "access" | "danger";

interface CanvasState {
  selected: string[];
  /** A selected wire: `consumer.socket>provider`. */
  wire: string | null;
  /** The block that has the roving focus; null: the first. */
  focus: string | null;
  start: WireStart | null;
  inspector: boolean;
  tab: InspectorTab;
  shelf: boolean;
  outline: boolean;
  palette: boolean;
  keysSheet: boolean;
  /** Set to move the view; the canvas answers and clears it. */
  toCentre: string | null;
  /** Set to give a block the focus, moving the view if it must. */
  toFocus: string | null;
  /** A wire just made: its panel is shown. */
  madeWire: string | null;
  /** The block whose ties are being chosen in the connect list. */
  connecting: string | null;
  /** A block to be added beside another, wired. */
  addBeside: { block: string; side: "need" | "offer" } | null;
  /** What was dropped on the canvas, for its report. */
  dropped: Dropped | null;
  renaming: string | null;
  /** Blocks to be put into a group: its dialog is open. */
  grouping: string[] | null;
  /** An address to be shown as a QR code. */
  qr: string | null;
  hand: boolean;
  /** Set to move the view. */
  view: "fit" | "fit-selection" | "full" | "in" | "out" | null;
  select(names: string[]): void;
  selectWire(id: string | null): void;
  setFocus(name: string | null): void;
  begin(start: WireStart | null): void;
  openInspector(tab?: InspectorTab): void;
  /** Brings a block to the middle of the view. */
  centre(block: string | null): void;
  put(change: Partial<CanvasState>): void;
  reset(): void;
}

const fresh = {
  selected: [],
  wire: null,
  focus: null,
  start: null,
  inspector: false,
  tab: "settings" as InspectorTab,
  palette: false,
  keysSheet: false,
  toCentre: null,
  toFocus: null,
  madeWire: null,
  connecting: null,
  addBeside: null,
  dropped: null,
  renaming: null,
  grouping: null,
  qr: null,
  view: null,
};

export const useCanvas = create<CanvasState>()((set) => ({
  ...fresh,
  shelf: true,
  outline: false,
  hand: false,
  select: (selected) => set((before) => ({ selected, wire: null, focus: selected.at(-1) ?? before.focus })),
  selectWire: (wire) => set({ wire, selected: [] }),
  setFocus: (focus) => set({ focus }),
  begin: (start) => set({ start }),
  openInspector: (tab) => set((before) => ({ inspector: true, tab: tab ?? before.tab })),
  centre: (toCentre) => set({ toCentre }),
  put: (change) => set(change),
  reset: () => set(fresh),
}));
