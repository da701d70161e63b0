// A labelled input with help and errors tied to it. Where next: inspector/SettingField.tsx.
import { type ReactNode, useId } from "react";

interface FieldProps {
  label: ReactNode;
  help?: ReactNode;
  errors?: string[];
  /** At the right of the label: origin, reset. */
  note?: ReactNode;
  children(props: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }): ReactNode;
}

export function Field({ label, help, errors = [], note, children }: FieldProps) {
  const id = useId();
  const about = [help ? `${id}-help` : null, errors.length > 0 ? `${id}-errors` : null]
    .filter(Boolean)
    .join(" ");
  return (
    <div className={`field ${errors.length > 0 ? "invalid" : ""}`}>
      <div className="field-top">
        <label htmlFor={id}>{label}</label>
        {note}
      </div>
      {children({
        id,
        "aria-describedby": about || undefined,
        "aria-invalid": errors.length > 0 ? true : undefined,
      })}
      {help && (
        <p className="field-help" id={`${id}-help`}>
          {help}
        </p>
      )}
      {errors.length > 0 && (
        <p className="field-errors" id={`${id}-errors`} role="alert">
          {errors.join(" ")}
        </p>
      )}
    </div>
  );
}
