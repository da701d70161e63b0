// A dialog that asks before it acts: what to fill in, a way out, the act. Enter acts as the main button
// does, once everything is filled in.
import type { ReactNode } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

interface Props {
  open?: boolean;
  onClose(): void;
  title: ReactNode;
  children: ReactNode;
  /** What the main button says, and does. */
  act: ReactNode;
  onAct(): unknown;
  ready?: boolean;
  /** Something is lost by it. */
  danger?: boolean;
  /** What the way out says. */
  leave?: string;
  /** A button before the way out. */
  other?: ReactNode;
  wide?: boolean;
}

export function Ask({ open = true, ready = true, leave = "Not now", ...it }: Props) {
  return (
    <Dialog
      open={open}
      wide={it.wide}
      onClose={it.onClose}
      title={it.title}
      actions={
        <>
          {it.other}
          <Button onClick={it.onClose}>{leave}</Button>
          <Button weight={it.danger ? "danger" : "primary"} disabled={!ready} onClick={() => void it.onAct()}>
            {it.act}
          </Button>
        </>
      }
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void it.onAct();
        }}
      >
        {it.children}
        {/* A form with several fields is sent by Enter only if it has a button of its own. */}
        <button type="submit" hidden aria-hidden="true" tabIndex={-1} disabled={!ready} />
      </form>
    </Dialog>
  );
}
