// Settings of a module; processes and environment of a source. Common ones first, the rest by search.
import { Minus, Plus } from "lucide-react";
import { useState } from "react";
import type { Block, Model, Process } from "../api/types";
import { Button, IconButton } from "../parts/Button";
import { Field } from "../parts/Field";
import { edit, useEdits } from "../state/edits";
import { filterBy } from "../state/fuzzy";
import { isOwn } from "../state/spoken";
import { EnvSection } from "./EnvSection";
import { SettingField } from "./SettingField";

/** So many are shown before "all" is asked for. */
const COMMON = 6;

function Copies({ app, block, process }: { app: string; block: Block; process: Process }) {
  const key = `${block.name}.copies.${process.name}`;
  const errors = useEdits((it) => it.refused[key]);
  const now = Number(process.copies) || 1;
  const put = (copies: number) =>
    void edit(
      app,
      [
        {
          verb: "copies",
          block: block.name,
          process: block.processes.length > 1 ? process.name : undefined,
          copies: String(copies),
        },
      ],
      { field: key },
    );
  return (
    <Field label={`Copies of ${process.name}`} errors={errors}>
      {(props) => (
        <div className="stepper">
          <IconButton label="One copy less" disabled={now <= 1} onClick={() => put(now - 1)}>
            <Minus size={15} aria-hidden="true" />
          </IconButton>
          <input {...props} readOnly value={String(process.copies)} />
          <IconButton label="One copy more" onClick={() => put(now + 1)}>
            <Plus size={15} aria-hidden="true" />
          </IconButton>
        </div>
      )}
    </Field>
  );
}

function ProcessCard({ app, block, process }: { app: string; block: Block; process: Process }) {
  return (
    <section className="inset" aria-label={`Process ${process.name}`}>
      <h3>{process.name}</h3>
      <dl className="facts">
        {process.run && (
          <>
            <dt>Runs</dt>
            <dd className="mono">{process.run}</dd>
          </>
        )}
        {process.port && (
          <>
            <dt>Port</dt>
            <dd className="mono">{process.port}</dd>
          </>
        )}
        {process.ready && (
          <>
            <dt>Ready when</dt>
            <dd className="mono">{process.ready}</dd>
          </>
        )}
        {process.every && (
          <>
            <dt>Every</dt>
            <dd className="mono">{process.every}</dd>
          </>
        )}
      </dl>
      {!process.every && <Copies app={app} block={block} process={process} />}
    </section>
  );
}

export function SettingsTab({ app, block }: { app: string; model: Model; block: Block }) {
  const [query, setQuery] = useState("");
  const [all, setAll] = useState(false);
  const found = filterBy(query, block.settings, (it) => [it.name, it.help]);
  const yours = found.filter((it) => it.origin === "you");
  const rest = found.filter((it) => it.origin !== "you");
  const ordered = query === "" ? [...yours, ...rest] : found;
  const shown = all || query !== "" ? ordered : ordered.slice(0, Math.max(COMMON, yours.length));
  const many = block.settings.length > COMMON;
  return (
    <div className="tab-body">
      {many && (
        <input
          className="input"
          type="search"
          aria-label="Search the settings"
          placeholder={`Search ${block.settings.length} settings`}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      )}
      {shown.map((it) => (
        <SettingField key={`${block.name}.${it.name}`} app={app} block={block.name} setting={it} />
      ))}
      {many && !all && query === "" && (
        <Button small onClick={() => setAll(true)}>{`All ${block.settings.length} settings`}</Button>
      )}
      {block.processes.map((it) => (
        <ProcessCard key={it.name} app={app} block={block} process={it} />
      ))}
      {block.before.length > 0 && (
        <section className="inset">
          <h3>Before each release</h3>
          <ul className="plain">
            {block.before.map((it) => (
              <li key={it} className="mono">
                {it}
              </li>
            ))}
          </ul>
        </section>
      )}
      {isOwn(block) && <EnvSection app={app} block={block} />}
      {block.settings.length === 0 && block.processes.length === 0 && (
        <p className="muted small">This block has nothing to set.</p>
      )}
    </div>
  );
}
