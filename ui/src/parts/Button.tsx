// Buttons: one look per weight, an icon button that cannot be without a name. Where next: parts.css.
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Tip } from "./Tip";

type Weight = "primary" | "normal" | "quiet" | "danger";
interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  weight?: Weight;
  small?: boolean;
  icon?: ReactNode;
  /** Shown after the label; spoken as the key that does the same. */
  shortcut?: string;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ weight = "normal", small, icon, shortcut, children, className, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      className={`button ${weight} ${small ? "small" : ""} ${className ?? ""}`}
      aria-keyshortcuts={shortcut?.replace("Ctrl", "Control")}
    >
      {icon}
      {children !== undefined && <span>{children}</span>}
      {shortcut && <kbd aria-hidden="true">{shortcut}</kbd>}
    </button>
  );
}

interface IconProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  children: ReactNode;
  shortcut?: string;
  side?: "top" | "bottom" | "left" | "right";
  ref?: Ref<HTMLButtonElement>;
}

/** A button that is only an icon: its label is its accessible name and its tip. */
export function IconButton({ label, shortcut, side, className, children, ...rest }: IconProps) {
  return (
    <Tip text={shortcut ? `${label}  (${shortcut})` : label} side={side}>
      <button
        type="button"
        {...rest}
        aria-label={label}
        aria-keyshortcuts={shortcut?.replace("Ctrl", "Control")}
        className={`icon-button ${className ?? ""}`}
      >
        {children}
      </button>
    </Tip>
  );
}
