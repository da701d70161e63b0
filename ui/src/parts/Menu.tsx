// A menu of verbs, from a button or from a right click; the entries are data, so that the canvas, the
// Outline and the palette show the same ones. Where next: canvas/verbs.ts.
import { ContextMenu, DropdownMenu } from "radix-ui";
import { type ReactNode, useState } from "react";

export interface Entry {
  label: string;
  icon?: ReactNode;
  shortcut?: string;
  danger?: boolean;
  /** Why it cannot be done now; the entry is shown and says so. */
  unless?: string | false | null;
  run(): void;
}
export type Entries = (Entry | "line")[];

function rows(entries: Entries, Item: typeof DropdownMenu.Item, Line: typeof DropdownMenu.Separator) {
  return entries.map((entry, index) =>
    entry === "line" ? (
      <Line key={`line-${index}`} className="menu-line" />
    ) : (
      <Item
        key={entry.label}
        className={`menu-item ${entry.danger ? "danger" : ""}`}
        disabled={Boolean(entry.unless)}
        onSelect={() => entry.run()}
      >
        <span className="menu-icon" aria-hidden="true">
          {entry.icon}
        </span>
        <span className="menu-label">
          {entry.label}
          {entry.unless && <small>{entry.unless}</small>}
        </span>
        {entry.shortcut && <kbd aria-hidden="true">{entry.shortcut}</kbd>}
      </Item>
    ),
  );
}

interface Props {
  entries: Entries;
  label: string;
  /** One element that can hold a ref, a button. */
  children: ReactNode;
  align?: "start" | "end";
  onOpenChange?(open: boolean): void;
}

export function Menu({ entries, label, children, align = "end", onOpenChange }: Props) {
  return (
    <DropdownMenu.Root modal={false} onOpenChange={onOpenChange}>
      <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="menu"
          aria-label={label}
          align={align}
          sideOffset={4}
          collisionPadding={8}
          loop
        >
          {rows(entries, DropdownMenu.Item, DropdownMenu.Separator)}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

interface RightClickProps extends Omit<Props, "entries"> {
  /** Asked for when the menu opens, not on every drawing. */
  entries(): Entries;
}

export function RightClickMenu({ entries, label, children }: RightClickProps) {
  const [open, setOpen] = useState(false);
  return (
    <ContextMenu.Root modal={false} onOpenChange={setOpen}>
      <ContextMenu.Trigger asChild>{children}</ContextMenu.Trigger>
      <ContextMenu.Portal>
        <ContextMenu.Content className="menu" aria-label={label} collisionPadding={8} loop>
          {rows(
            open ? entries() : [],
            ContextMenu.Item as typeof DropdownMenu.Item,
            ContextMenu.Separator as typeof DropdownMenu.Separator,
          )}
        </ContextMenu.Content>
      </ContextMenu.Portal>
    </ContextMenu.Root>
  );
}
