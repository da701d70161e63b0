// A small panel beside a button (not modal): what a badge means, what a wire creates.
import { Popover } from "radix-ui";
import type { ReactNode } from "react";

interface Props {
  label: string;
  trigger: ReactNode;
  children: ReactNode;
  side?: "top" | "bottom" | "left" | "right";
}

export function Panel({ label, trigger, children, side = "bottom" }: Props) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>{trigger}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className="panel-pop"
          aria-label={label}
          side={side}
          sideOffset={6}
          collisionPadding={8}
        >
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
