// Asks when two wrote the same field: keep mine, take theirs, see both. Nothing is decided unasked, and
// the question is answered field by field. Where next: clash.ts (what counts as one).
import "./clash.css";
import { useQuery } from "@tanstack/react-query";
import { GitCompareArrows } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { queries } from "../api/queries";
import type { Model } from "../api/types";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { announce } from "../parts/Live";
import { to } from "../routes";
import { edit, useEdits } from "../state/edits";
import { type Clash, clashesOf } from "./clash";

const STORE = "shelf.clashes.taken";

/** Questions answered with "take theirs"; they stay answered in this tab. */
function answered(): ReadonlySet<string> {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(STORE) ?? "[]") as string[]);
  } catch {
    return new Set();
  }
}

const whoWords = (by: string) => (by === "file" ? "An editor" : by);
const fieldWords = (it: Clash) => `${it.block}: ${it.what}`;

export function Clashes({ app, model }: { app: string; model: Model }) {
  const me = useQuery(queries.me()).data?.person.name;
  const mine = model.changes.some((it) => it.mine);
  const { data: entries } = useQuery({ ...queries.history(app), enabled: mine });
  const asked = useEdits((it) => it.asked);
  const [taken, setTaken] = useState(answered);
  const [both, setBoth] = useState(false);
  const found = useMemo(() => {
    const drafted = me && entries ? clashesOf(model, entries, me) : [];
    return [...asked, ...drafted.filter((it) => !taken.has(it.id))];
  }, [asked, entries, me, model, taken]);
  const first = found[0];
  useEffect(() => {
    if (first)
      announce(`${whoWords(first.by)} changed ${fieldWords(first)}, and so did you. Choose whose stays.`);
    else setBoth(false);
  }, [first]);
  if (!first) return null;

  const settle = (it: Clash, whose: "mine" | "theirs") => {
    useEdits.setState((before) => ({ asked: before.asked.filter((one) => one.id !== it.id) }));
    if (whose === "mine") {
      void edit(app, it.again);
      return;
    }
    const next = new Set(taken).add(it.id);
    setTaken(next);
    try {
      sessionStorage.setItem(STORE, JSON.stringify([...next].slice(-200)));
    } catch {
      // Answered for as long as the page is open.
    }
    announce(`${fieldWords(it)} stays ${it.theirs}`);
  };
  return (
    <section className="clash" role="alert" aria-label="Two changes of one field">
      <GitCompareArrows size={16} aria-hidden="true" />
      <p>
        <b>{fieldWords(first)}</b>
        {`: ${whoWords(first.by)} made it `}
        <code>{first.theirs}</code>
        {", you made it "}
        <code>{first.mine}</code>.
        {found.length > 1 && <span className="muted">{` And ${found.length - 1} more.`}</span>}
      </p>
      <div className="row">
        <Button small onClick={() => settle(first, "mine")}>
          Keep mine
        </Button>
        <Button small onClick={() => settle(first, "theirs")}>
          Take theirs
        </Button>
        <Button small onClick={() => setBoth(true)}>
          See both
        </Button>
      </div>
      <Dialog open={both} wide onClose={() => setBoth(false)} title="Whose stays?">
        <p className="muted">The file has theirs now. What you keep is written into it as your change.</p>
        <div className="clash-table">
          <table>
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Yours</th>
                <th scope="col">Theirs</th>
              </tr>
            </thead>
            <tbody>
              {found.map((it) => (
                <tr key={it.id}>
                  <th scope="row">
                    {fieldWords(it)}
                    {it.line && (
                      <Link href={`${to.file(app)}?line=${it.line}`} onClick={() => setBoth(false)}>
                        {`line ${it.line}`}
                      </Link>
                    )}
                  </th>
                  <td>
                    <code>{it.mine}</code>
                    <Button
                      small
                      aria-label={`Keep mine, ${it.mine}, for ${fieldWords(it)}`}
                      onClick={() => settle(it, "mine")}
                    >
                      Keep mine
                    </Button>
                  </td>
                  <td>
                    <code>{it.theirs}</code>
                    <small className="muted">{whoWords(it.by)}</small>
                    <Button
                      small
                      aria-label={`Take theirs, ${it.theirs}, for ${fieldWords(it)}`}
                      onClick={() => settle(it, "theirs")}
                    >
                      Take theirs
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Dialog>
    </section>
  );
}
