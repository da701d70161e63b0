// Every key, once: the listener, the menus, the palette and the `?` sheet read this table. Single
// letters act only while the canvas has the focus and can be turned off (WCAG 2.1.4).

export interface Key {
  id: string;
  /** As `Ctrl+Shift+Z`; several forms of the same key are listed. */
  keys: string[];
  says: string;
  group: "Move" | "Build" | "Look" | "Everywhere";
  /** Acts wherever the focus is, also in fields. */
  everywhere?: boolean;
}

export const KEYS = [
  {
    id: "palette",
    keys: ["Ctrl+K"],
    says: "Every verb, block and setting",
    group: "Everywhere",
    everywhere: true,
  },
  { id: "plan", keys: ["Ctrl+Enter"], says: "Plan; on the plan: Go", group: "Everywhere", everywhere: true },
  { id: "region", keys: ["F6"], says: "Next region", group: "Everywhere", everywhere: true },
  { id: "regionBack", keys: ["Shift+F6"], says: "Region before", group: "Everywhere", everywhere: true },
  { id: "keys", keys: ["?"], says: "All keys", group: "Everywhere" },
  { id: "undo", keys: ["Ctrl+Z"], says: "Undo", group: "Build" },
  { id: "redo", keys: ["Ctrl+Shift+Z", "Ctrl+Y"], says: "Redo", group: "Build" },
  { id: "add", keys: ["/", "A"], says: "Add from the shelf", group: "Build" },
  { id: "connect", keys: ["C"], says: "Connect: a list of what fits", group: "Build" },
  {
    id: "addLeft",
    keys: ["Ctrl+ArrowLeft"],
    says: "Add a block that fits, on the left, wired",
    group: "Build",
  },
  {
    id: "addRight",
    keys: ["Ctrl+ArrowRight"],
    says: "Add a block that fits, on the right, wired",
    group: "Build",
  },
  { id: "ghost", keys: ["."], says: "Take the next step that is offered", group: "Build" },
  { id: "rename", keys: ["F2"], says: "Rename the block", group: "Build" },
  { id: "duplicate", keys: ["Ctrl+D"], says: "Duplicate", group: "Build" },
  { id: "group", keys: ["Ctrl+G"], says: "Group blocks, or change their group", group: "Build" },
  { id: "remove", keys: ["Delete", "Backspace"], says: "Remove (never data)", group: "Build" },
  {
    id: "left",
    keys: ["ArrowLeft", "Shift+ArrowLeft"],
    says: "Move left by 8, with Shift by 64",
    group: "Move",
  },
  { id: "right", keys: ["ArrowRight", "Shift+ArrowRight"], says: "Move right", group: "Move" },
  { id: "up", keys: ["ArrowUp", "Shift+ArrowUp"], says: "Move up", group: "Move" },
  { id: "down", keys: ["ArrowDown", "Shift+ArrowDown"], says: "Move down", group: "Move" },
  {
    id: "walkLeft",
    keys: ["Alt+ArrowLeft"],
    says: "Walk along a wire, or to the block on the left",
    group: "Move",
  },
  { id: "walkRight", keys: ["Alt+ArrowRight"], says: "Walk to the right", group: "Move" },
  { id: "walkUp", keys: ["Alt+ArrowUp"], says: "Walk up", group: "Move" },
  { id: "walkDown", keys: ["Alt+ArrowDown"], says: "Walk down", group: "Move" },
  { id: "next", keys: ["N"], says: "Next block", group: "Move" },
  { id: "previous", keys: ["Shift+N"], says: "Block before", group: "Move" },
  { id: "open", keys: ["Enter"], says: "Inspector", group: "Look" },
  { id: "back", keys: ["Escape"], says: "Back out one level", group: "Look" },
  { id: "menu", keys: ["Shift+F10", "ContextMenu"], says: "Menu of the block", group: "Look" },
  { id: "all", keys: ["Ctrl+A"], says: "Select all blocks", group: "Look" },
  { id: "fit", keys: ["Shift+1"], says: "See everything", group: "Look" },
  { id: "fitSelection", keys: ["Shift+2"], says: "See the selection", group: "Look" },
  { id: "fullSize", keys: ["0"], says: "100 %", group: "Look" },
  { id: "zoomIn", keys: ["+", "="], says: "Nearer", group: "Look" },
  { id: "zoomOut", keys: ["-"], says: "Farther", group: "Look" },
  { id: "hand", keys: ["H"], says: "Hand: drag the view (or hold Space)", group: "Look" },
  { id: "pointer", keys: ["V"], says: "Pointer: drag selects", group: "Look" },
  { id: "outline", keys: ["O"], says: "Outline", group: "Look" },
  { id: "tidy", keys: ["Shift+T"], says: "Tidy the layout", group: "Look" },
  { id: "logs", keys: ["L"], says: "Logs", group: "Look" },
  { id: "terminal", keys: ["T"], says: "Terminal", group: "Look" },
  { id: "metrics", keys: ["M"], says: "Metrics", group: "Look" },
  { id: "file", keys: ["E"], says: "The file beside the canvas", group: "Look" },
] as const satisfies readonly Key[];

export type KeyId = (typeof KEYS)[number]["id"];

type Pressed = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">;

/** A pressed key as the table writes it; Command counts as Ctrl. */
export function nameOf(event: Pressed): string {
  const digit = /^Digit(\d)$/.exec(event.code ?? "")?.[1];
  const letter = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const key = digit && event.shiftKey ? digit : letter;
  // A sign that needs Shift on some layouts (?, +) names itself; letters, digits and named keys say Shift.
  const shift = event.shiftKey && (key.length > 1 || /[A-Z0-9]/.test(key));
  return [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt", shift && "Shift", key]
    .filter(Boolean)
    .join("+");
}

/** What a pressed key means, or null. */
export function keyOf(event: Pressed): KeyId | null {
  const name = nameOf(event);
  return ((KEYS as readonly Key[]).find((it) => it.keys.includes(name))?.id as KeyId | undefined) ?? null;
}

/** Whether it is a single sign without Ctrl or Alt, which a person may turn off. */
export const isSingle = (event: Pressed): boolean =>
  event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;

/** The first form of a key, for menus and tips. */
export function shortcutOf(id: KeyId): string {
  const first = KEYS.find((it) => it.id === id)?.keys[0] ?? "";
  return first
    .replace("ArrowLeft", "←")
    .replace("ArrowRight", "→")
    .replace("ArrowUp", "↑")
    .replace("ArrowDown", "↓")
    .replace("Delete", "Del")
    .replace("Escape", "Esc");
}
