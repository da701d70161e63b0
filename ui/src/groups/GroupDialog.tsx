// Makes a group, or changes which blocks are in one: a name and a tick for each block, the same for
// the mouse, the keyboard and the Outline. Where next: groups.ts.
import { Ask } from "../parts/Ask";
import "../parts/picker.css";
import { useState } from "react";
import type { Groups, Model } from "../api/types";
import { unplaced } from "../canvas/add";
import { placeAll } from "../canvas/place";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { announce } from "../parts/Live";
import { useCanvas } from "../state/canvas";
import { group } from "../state/edits";
import { groupProblem, groupsOf } from "./groups";

export function GroupDialog({ app, model, names }: { app: string; model: Model; names: string[] }) {
  const known = groupsOf(model);
  const old = model.blocks.find((it) => names.includes(it.name) && it.group)?.group ?? null;
  const [name, setName] = useState(old ?? "");
  const [on, setOn] = useState<ReadonlySet<string>>(new Set([...names, ...(known.get(old ?? "") ?? [])]));
  const close = () => useCanvas.getState().put({ grouping: null, toFocus: names[0] ?? null });
  const problem = groupProblem(name);
  const wanted = name.trim();
  const ready = wanted !== "" && problem === null && on.size > 0;
  const keep = async (to: string | null) => {
    const after: Groups = {};
    for (const it of model.blocks) {
      if (to !== null && on.has(it.name)) after[it.name] = to;
      else if (it.group && (it.group === old || it.group === to)) after[it.name] = null;
    }
    // A place is kept with the group: a block that was never moved stays where it is seen.
    const places = { ...unplaced(app) };
    const all = placeAll(model);
    for (const it of Object.keys(after)) places[it] ??= all[it] ?? { x: 0, y: 0 };
    if (await group(app, after, places)) {
      announce(
        to === null ? `Group ${old} is dissolved; its blocks stay` : `Group ${to}: ${[...on].join(", ")}`,
      );
      close();
    }
  };
  return (
    <Ask
      onClose={close}
      title={old === null ? "Group blocks" : `Group ${old}`}
      leave="Cancel"
      other={old !== null && <Button onClick={() => void keep(null)}>Ungroup</Button>}
      act={old === null ? "Group" : "Keep"}
      onAct={() => keep(wanted)}
      ready={ready}
    >
      <Field
        label="Name of the group"
        help="For looking only: it is kept in app.layout.toml and changes nothing that runs."
        errors={problem ? [problem] : []}
      >
        {(props) => (
          <input
            {...props}
            value={name}
            list="groups-known"
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <datalist id="groups-known">
        {[...known.keys()].map((it) => (
          <option key={it} value={it} />
        ))}
      </datalist>
      <fieldset className="ticks-field">
        <legend>Blocks in it</legend>
        <ul className="ticks">
          {model.blocks.map((it) => (
            <li key={it.name}>
              <label>
                <input
                  type="checkbox"
                  checked={on.has(it.name)}
                  onChange={(event) => {
                    const next = new Set(on);
                    if (event.target.checked) next.add(it.name);
                    else next.delete(it.name);
                    setOn(next);
                  }}
                />
                <b>{it.name}</b>
                {it.group && it.group !== old && <span className="muted">{`now in ${it.group}`}</span>}
              </label>
            </li>
          ))}
        </ul>
      </fieldset>
    </Ask>
  );
}
