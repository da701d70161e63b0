// One setting: its value, where it comes from, the way back, and what the server said against it.
import { RotateCcw } from "lucide-react";
import { useEffect, useState } from "react";
import type { Scalar, Setting } from "../api/types";
import { IconButton } from "../parts/Button";
import { Field } from "../parts/Field";
import { clearRefusal, edit, useEdits } from "../state/edits";

const ORIGINS = {
  default: "default",
  you: "set by you",
  wire: "from a wire",
  target: "from the target",
} as const;

/** Text of a field as the value its type wants; text that is no number stays text, the server says why. */
export function scalarOf(text: string, setting: Pick<Setting, "type" | "default">): Scalar {
  const numeric =
    setting.type === "number" || setting.type === "integer" || typeof setting.default === "number";
  return numeric && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
}

export function SettingField({ app, block, setting }: { app: string; block: string; setting: Setting }) {
  const key = `${block}.${setting.name}`;
  const shown = setting.value === null || setting.value === undefined ? "" : String(setting.value);
  const [text, setText] = useState(shown);
  const errors = useEdits((it) => it.refused[key]);
  useEffect(() => setText(shown), [shown]);
  const keep = async (value: string) => {
    if (value === shown) {
      if (errors) clearRefusal(key);
      return;
    }
    await edit(app, [{ verb: "set", block, setting: setting.name, value: scalarOf(value, setting) }], {
      field: key,
    });
  };
  const flag = setting.type === "bool" || setting.type === "boolean" || typeof setting.default === "boolean";
  return (
    <Field
      label={setting.name}
      help={setting.help}
      errors={errors}
      note={
        <span className="setting-note">
          <span className="origin" data-origin={setting.origin}>
            {ORIGINS[setting.origin] ?? setting.origin}
          </span>
          {setting.origin === "you" && (
            <IconButton
              label={`Reset ${setting.name} to ${setting.default ?? "nothing"}`}
              className="reset"
              onClick={() => {
                clearRefusal(key);
                void edit(app, [{ verb: "unset", block, setting: setting.name }], { field: key });
              }}
            >
              <RotateCcw size={13} aria-hidden="true" />
            </IconButton>
          )}
        </span>
      }
    >
      {(props) =>
        flag ? (
          <select
            {...props}
            value={String(setting.value)}
            onChange={(event) =>
              void edit(
                app,
                [{ verb: "set", block, setting: setting.name, value: event.target.value === "true" }],
                { field: key },
              )
            }
          >
            <option value="true">true</option>
            <option value="false">false</option>
          </select>
        ) : (
          <input
            {...props}
            data-setting={setting.name}
            value={text}
            spellCheck={false}
            inputMode={typeof setting.default === "number" ? "numeric" : undefined}
            onChange={(event) => setText(event.target.value)}
            onBlur={() => void keep(text)}
            onKeyDown={(event) => {
              if (event.key === "Enter") void keep(text);
              if (event.key === "Escape" && text !== shown) {
                event.preventDefault();
                event.stopPropagation();
                setText(shown);
              }
            }}
          />
        )
      }
    </Field>
  );
}
