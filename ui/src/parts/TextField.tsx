// A field of one line of text, which is no prose: nothing spells it. Where next: Field.tsx.
import type { InputHTMLAttributes, ReactNode } from "react";
import { isName } from "../state/names";
import { Field } from "./Field";

interface TextFieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "value" | "onChange"> {
  label: ReactNode;
  help?: ReactNode;
  errors?: string[];
  value: string;
  onChange(value: string): void;
}

export function TextField({ label, help, errors, onChange, ...input }: TextFieldProps) {
  return (
    <Field label={label} help={help} errors={errors}>
      {(field) => (
        <input {...field} spellCheck={false} {...input} onChange={(event) => onChange(event.target.value)} />
      )}
    </Field>
  );
}

/** A name that is to be given; nothing is said against an empty one. */
export function NewName(props: Omit<TextFieldProps, "errors">) {
  const bad = props.value !== "" && !isName(props.value);
  return <TextField {...props} errors={bad ? ["Lower case letters, digits and -, a letter first."] : []} />;
}
