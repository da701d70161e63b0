// The server cannot be heard: since when, when the next try is, and what that means for the page.
// Nothing is taken away; statuses age, and Go says why it waits. Where next: staleness.ts.
import { CloudOff } from "lucide-react";
import { useEffect, useRef } from "react";
import { target } from "../api/target";
import { Button } from "../parts/Button";
import { announce } from "../parts/Live";
import { retryNow, useLive } from "../state/live";
import "./system.css";
import { useNow } from "./useNow";
import { seconds } from "./words";

/** Who does not answer: behind a target stands the server, which asks it for us. */
const WHO = target ?? "The server";
const WHY = target ? `Can it be reached? shelf target check ${target}` : "Is shelf serve up?";

/** A hiccup shorter than this is not worth a word. */
const QUIET_MS = 1_500;

export function ServerBanner() {
  const connected = useLive((state) => state.connected);
  const heardAt = useLive((state) => state.heardAt);
  const retryAt = useLive((state) => state.retryAt);
  const now = useNow(1000);
  const lostAt = useRef(0);
  if (connected) lostAt.current = 0;
  else if (lostAt.current === 0) lostAt.current = Date.now();
  // Before the first word there is nothing that could have broken.
  const lost = !connected && retryAt !== null && (heardAt > 0 || now - lostAt.current > 0);
  const shown = lost && now - lostAt.current >= QUIET_MS;

  const was = useRef(false);
  useEffect(() => {
    if (shown && !was.current) announce(`${WHO} cannot be reached. What you see may be out of date.`);
    if (!shown && was.current && connected) announce(`${WHO} is back.`);
    was.current = shown;
  }, [shown, connected]);

  if (!shown) return null;
  const left = Math.max(0, Math.ceil(((retryAt ?? now) - now) / 1000));
  return (
    <section className="server-banner" aria-label="Connection">
      <CloudOff size={16} aria-hidden="true" />
      <p>
        <strong>{WHO} cannot be reached.</strong>{" "}
        {heardAt > 0 && <>Last word {seconds(Math.floor((now - heardAt) / 1000))} ago; </>}
        {left > 0 ? `next try in ${left} s.` : "trying now …"}{" "}
        <span className="muted">What runs keeps running. {WHY}</span>
      </p>
      <Button small onClick={retryNow}>
        Try now
      </Button>
    </section>
  );
}
