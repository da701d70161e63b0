// The name of a block while it is being changed: Enter keeps, Esc leaves, errors are tied to it.
import { useState } from "react";
import { useCanvas } from "../state/canvas";
import { edit, modelOf } from "../state/edits";
import { isName } from "../state/names";
import { placeAll } from "./place";

export function NameField({ app, name }: { app: string; name: string }) {
  const [text, setText] = useState(name);
  const bad = text !== "" && !isName(text);
  const leave = () => useCanvas.getState().put({ renaming: null, toFocus: name });
  const keep = async () => {
    if (text === name || text === "" || bad) return leave();
    useCanvas.getState().put({ renaming: null });
    const at = placeAll(modelOf(app) ?? { blocks: [], wires: [] })[name];
    const edited = await edit(
      app,
      [{ verb: "rename", block: name, to: text }],
      at ? { place: { [text]: at } } : {},
    );
    if (edited) useCanvas.getState().select([text]);
    useCanvas.getState().put({ toFocus: edited ? text : name });
  };
  return (
    <input
      // biome-ignore lint/a11y/noAutofocus: the person asked to type here.
      autoFocus
      className="name-field nodrag nopan"
      aria-label={`New name of ${name}`}
      aria-invalid={bad || undefined}
      title={bad ? "Lower case letters, digits and -, a letter first, at most 30" : undefined}
      value={text}
      spellCheck={false}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => void keep()}
      onFocus={(event) => event.target.select()}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter") event.currentTarget.blur();
        if (event.key === "Escape") leave();
      }}
    />
  );
}
