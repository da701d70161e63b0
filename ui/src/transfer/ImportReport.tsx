// The report on a foreign file, line by line: what the app does the same, what was guessed, what it does
// not do and what a person may do about it; then the app file it proposes. Where next: take.ts.
import "./transfer.css";
import { useState } from "react";
import type { ImportRow, ImportReport as Report } from "../api/types";
import { Badge } from "../parts/Status";
import { sorted } from "./take";

const WORDS: Record<ImportRow["state"], [word: string, tone: "good" | "warn" | "bad"]> = {
  mapped: ["the same", "good"],
  guessed: ["guessed", "warn"],
  "not-mapped": ["not done", "bad"],
};

export function ImportReport({ report }: { report: Report }) {
  const [all, setAll] = useState(false);
  const rows = sorted(report.rows);
  const looked = rows.filter((it) => it.state !== "mapped");
  const shown = all ? rows : looked;
  const { mapped, guessed, not_mapped } = report.counts;
  return (
    <div className="stack">
      <p role="status">
        <b>{mapped}</b> the same, <b>{guessed}</b> guessed, <b>{not_mapped}</b> not done. Nothing has been
        written.
      </p>
      {report.notes.map((note) => (
        <p key={note} className="muted small">
          {note}
        </p>
      ))}
      {report.given.length > 0 && (
        <p>
          Values to give under Access, because a password does not belong in a file:{" "}
          {report.given.map((it) => (
            <code key={`${it.block} ${it.name}`}>{`${it.block} ${it.name} `}</code>
          ))}
        </p>
      )}
      {shown.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
        <div className="import-scroll" role="region" aria-label="Line by line" tabIndex={0}>
          <table className="import-table">
            <thead>
              <tr>
                <th scope="col">Line</th>
                <th scope="col">Was</th>
                <th scope="col">Here</th>
                <th scope="col">Why, and what next</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((it, index) => (
                <tr key={index}>
                  <td>{it.line}</td>
                  <th scope="row">
                    <code>{it.path}</code>
                  </th>
                  <td>
                    <Badge tone={WORDS[it.state][1]}>{WORDS[it.state][0]}</Badge>
                    {it.becomes && <code>{it.becomes}</code>}
                  </td>
                  <td>
                    {it.why}
                    {it.next && <small className="muted">{it.next}</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {mapped > 0 && (
        <label className="row small">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} />
          {`Show the ${mapped} that are the same, too`}
        </label>
      )}
      {report.diagnostics.length > 0 && (
        <ul className="import-wrong" aria-label="To put right before Go">
          {report.diagnostics.map((it, index) => (
            <li key={index}>{`${it.message}${it.help[0] ? `: ${it.help[0].text}` : ""}`}</li>
          ))}
        </ul>
      )}
      <details>
        <summary>The app file it proposes</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys */}
        <pre className="import-text" role="region" aria-label="Proposed app.toml" tabIndex={0}>
          {report.text}
        </pre>
      </details>
    </div>
  );
}
