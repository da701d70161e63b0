// A modal dialog on the platform's own <dialog>: focus is held, the rest is inert, Esc closes, focus
// goes back to where it was. No style is injected, so a strict content policy holds.
import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./Button";

interface Props {
  open: boolean;
  onClose(): void;
  title: ReactNode;
  children: ReactNode;
  /** Buttons at the end, the main one last. */
  actions?: ReactNode;
  wide?: boolean;
  className?: string;
}

export function Dialog({ open, onClose, title, children, actions, wide, className }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!open || !dialog) return;
    const before = document.activeElement;
    if (!dialog.open) dialog.showModal();
    // The browser focuses the first thing, which is Close: what the dialog is for comes first.
    const first = ".dialog-content :is(input, textarea, select):not(:disabled)";
    // Without one, the act; while that is not ready, the way out.
    const buttons = dialog.querySelectorAll<HTMLElement>("footer button:not(:disabled)");
    (dialog.querySelector<HTMLElement>(first) ?? [...buttons].at(-1))?.focus();
    return () => {
      // Who took the focus since, such as the block that was just added, keeps it: closing, the
      // browser would give it back to what had it before.
      const at = document.activeElement;
      const taken = at !== null && at !== document.body && !dialog.contains(at);
      dialog.close();
      const back = taken ? at : before;
      if (back instanceof HTMLElement && back.isConnected) back.focus();
    };
  }, [open]);
  if (!open) return null;
  return (
    <dialog
      ref={ref}
      className={`dialog ${wide ? "wide" : ""} ${className ?? ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <IconButton label="Close" onClick={onClose}>
            <X size={18} aria-hidden="true" />
          </IconButton>
        </header>
        <div className="dialog-content">{children}</div>
        {actions && <footer>{actions}</footer>}
      </div>
    </dialog>
  );
}
