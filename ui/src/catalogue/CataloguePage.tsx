// The shelf as a page: every module with what it offers, needs, takes for granted, can be set to and
// weighs, and every interface they speak. Where next: ../shelf (the palette on the canvas).
import { useQuery } from "@tanstack/react-query";
import { PackageSearch } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { queries } from "../api/queries";
import type { Interface, Limit, Module } from "../api/types";
import { Empty, Loading, Problem } from "../parts/Empty";
import { InterfaceChip } from "../parts/Interface";
import { Badge } from "../parts/Status";
import { count } from "../system/words";
import "./catalogue.css";
import { found } from "./search";

export function CataloguePage() {
  const catalogue = useQuery(queries.catalogue());
  const [text, setText] = useState("");
  const [search, setSearch] = useSearchParams();
  const chosen = search.get("module");
  const modules = catalogue.data?.modules ?? [];
  const shown = useMemo(() => found(modules, text), [modules, text]);
  // A link may name a module with or without its version.
  const one = modules.find((module) => idOf(module) === chosen || module.name === chosen) ?? null;
  if (catalogue.error && !catalogue.data) {
    return (
      <Problem
        error={catalogue.error}
        what="The shelf could not be read"
        retry={() => void catalogue.refetch()}
      />
    );
  }
  if (catalogue.data === undefined) return <Loading what="the shelf" lines={8} />;
  const groups = [...new Set(shown.map((module) => module.group))];
  return (
    <div className="page">
      <div className="page-inner">
        <header className="catalogue-head">
          <div>
            <h1>Modules</h1>
            <p className="muted">
              {count(modules.length, "module")} that speak{" "}
              {count(catalogue.data.interfaces.length, "interface")}.
            </p>
          </div>
          <label className="catalogue-search">
            <span className="spoken">Search modules</span>
            <input
              type="search"
              className="input"
              placeholder="Name, alias or interface"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          </label>
        </header>
        {one !== null && (
          <Details module={one} interfaces={catalogue.data.interfaces} onClose={() => setSearch({})} />
        )}
        {shown.length === 0 && (
          <Empty title={`Nothing on the shelf fits “${text}”`} icon={<PackageSearch size={34} />}>
            Try the name of what you know (redis, s3), or an interface such as postgres/1. Your own source is
            always a block.
          </Empty>
        )}
        {groups.map((group) => (
          <section key={group} aria-labelledby={`group-${group}`} className="catalogue-group">
            <h2 id={`group-${group}`}>{group}</h2>
            <ul className="catalogue">
              {shown
                .filter((module) => module.group === group)
                .map((module) => (
                  <li key={idOf(module)} className={`card module ${module === one ? "chosen" : ""}`}>
                    <div className="module-top">
                      <Icon module={module} />
                      <h3>
                        <button
                          type="button"
                          aria-expanded={module === one}
                          onClick={() => setSearch(module === one ? {} : { module: idOf(module) })}
                        >
                          {module.name}
                        </button>
                      </h3>
                      <span className="muted">{module.version}</span>
                    </div>
                    <p>{module.summary}</p>
                    <Chips module={module} />
                  </li>
                ))}
            </ul>
          </section>
        ))}
        {text === "" && <Interfaces interfaces={catalogue.data.interfaces} modules={modules} />}
      </div>
    </div>
  );
}

const idOf = (module: Module) => `${module.name}@${module.version}`;

function Icon({ module }: { module: Module }) {
  if (!module.icon) {
    return (
      <span className="module-icon" aria-hidden="true">
        {module.name.slice(0, 2)}
      </span>
    );
  }
  return <img className="module-icon" src={module.icon} alt="" width={28} height={28} />;
}

function Chips({ module }: { module: Module }) {
  return (
    <div className="module-chips">
      {module.offers.map((offer) => (
        <InterfaceChip
          key={`offer ${offer.name}`}
          name={offer.interface}
          label={`offers ${offer.interface}`}
        />
      ))}
      {module.needs.map((need) => (
        <InterfaceChip key={`need ${need.socket}`} name={need.interface} label={`needs ${need.interface}`} />
      ))}
      {module.memory && <span className="muted">{module.memory} memory</span>}
    </div>
  );
}

const limitText = (limit: Limit) => (typeof limit === "string" ? limit : `${limit.fact} ${limit.rule}`);
const HOW_MANY = {
  one: "one wire",
  optional: "one or none",
  many: "any number",
  some: "at least one",
} as const;

function Details(props: { module: Module; interfaces: readonly Interface[]; onClose(): void }) {
  const { module } = props;
  const top = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once per module
  useEffect(() => {
    top.current?.scrollIntoView({ block: "nearest" });
    top.current?.focus({ preventScroll: true });
  }, [idOf(module)]);
  return (
    <section ref={top} tabIndex={-1} className="card module-details" aria-labelledby="module-name">
      <header>
        <Icon module={module} />
        <div>
          <h2 id="module-name">
            {module.name} <span className="muted">{module.version}</span>
          </h2>
          <p className="muted">{module.summary}</p>
        </div>
        <button type="button" className="button small" onClick={props.onClose}>
          <span>Close</span>
        </button>
      </header>
      <div className="module-columns">
        <div className="stack">
          <h3>Offers</h3>
          {module.offers.length === 0 && <p className="muted">Nothing that a wire could be tied to.</p>}
          {module.offers.map((offer) => (
            <div key={offer.name}>
              <InterfaceChip name={offer.interface} />
              <Facts facts={offer.facts} />
            </div>
          ))}
          <h3>Needs</h3>
          {module.needs.length === 0 && <p className="muted">Nothing.</p>}
          {module.needs.map((need) => (
            <p key={need.socket}>
              <InterfaceChip name={need.interface} label={`${need.socket}: ${need.interface}`} />{" "}
              <small className="muted">
                {HOW_MANY[need.cardinality]}
                {need.limits.length > 0 && `, ${need.limits.map(limitText).join(", ")}`}
              </small>
            </p>
          ))}
          <h3>Takes for granted</h3>
          <ul className="module-assumes">
            {module.assumes.map((one) => (
              <li key={one.name}>
                {one.says} <span className="muted">If not: {one.if_not}.</span>
              </li>
            ))}
          </ul>
        </div>
        <div className="stack">
          <h3>Settings</h3>
          {module.settings.length === 0 && <p className="muted">None.</p>}
          {module.settings.length > 0 && (
            <table className="module-settings">
              <thead>
                <tr>
                  <th scope="col">Setting</th>
                  <th scope="col">Default</th>
                </tr>
              </thead>
              <tbody>
                {module.settings.map((one) => (
                  <tr key={one.name}>
                    <th scope="row">
                      <code>{one.name}</code>
                      <small className="muted">{one.help}</small>
                    </th>
                    <td>{one.default === null || one.default === "" ? "–" : String(one.default)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {module.extend.length > 0 && (
            <>
              <h3>Can be extended</h3>
              <ul>
                {module.extend.map((one) => (
                  <li key={one.point}>
                    <code>{one.point}</code> <Badge>{one.kind}</Badge>{" "}
                    <small className="muted">{one.help}</small>
                  </li>
                ))}
              </ul>
            </>
          )}
          <p className="muted small">
            {module.aliases.length > 0 && <>Also found as {module.aliases.join(", ")}. </>}
            {module.memory && <>{module.memory} memory by default. </>}
            {module.size && <>{module.size} on disk.</>}
          </p>
          <p>
            <code>shelf add {module.name}</code>
          </p>
        </div>
      </div>
    </section>
  );
}

function Facts({ facts }: { facts: Record<string, string> }) {
  const all = Object.entries(facts);
  if (all.length === 0) return null;
  return (
    <small className="muted module-facts">
      {all.map(([name, value]) => `${name} ${String(value)}`).join(", ")}
    </small>
  );
}

function Interfaces(props: { interfaces: readonly Interface[]; modules: readonly Module[] }) {
  return (
    <section aria-labelledby="interfaces" className="catalogue-group">
      <h2 id="interfaces">Interfaces</h2>
      <table className="card interfaces">
        <thead>
          <tr>
            <th scope="col">Interface</th>
            <th scope="col">What a wire brings</th>
            <th scope="col">Offered by</th>
          </tr>
        </thead>
        <tbody>
          {props.interfaces.map((one) => (
            <tr key={one.name}>
              <th scope="row">
                <InterfaceChip name={one.name} />
              </th>
              <td>
                {one.summary}
                <small className="muted">{one.fields.map((field) => field.name).join(", ")}</small>
              </td>
              <td>
                {props.modules
                  .filter((module) => module.offers.some((offer) => offer.interface === one.name))
                  .map((module) => module.name)
                  .join(", ") || "your source"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
