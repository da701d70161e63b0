// A target that is protected is named once more before anything on it changes: one dialog for every
// verb of every page, opened by the server's refusal. Where next: ../api/client.ts.
import { Suspense, useEffect, useState } from "react";
import { askedBy } from "../api/client";
import { lazily } from "./lazily";

const ProtectedDialog = lazily(() =>
  import("./ProtectedDialog").then((it) => ({ default: it.ProtectedDialog })),
);

interface Asked {
  why: string;
  answer(name: string | null): void;
}

export function Protected() {
  const [asked, setAsked] = useState<Asked | null>(null);
  useEffect(() => {
    askedBy(
      (why) =>
        new Promise((done) => {
          const answer = (name: string | null) => {
            setAsked(null);
            done(name);
          };
          // One at a time: what asked before is not done.
          setAsked((before) => {
            before?.answer(null);
            return { why, answer };
          });
        }),
    );
    return () => askedBy(null);
  }, []);
  return (
    <Suspense fallback={null}>
      {asked && <ProtectedDialog why={asked.why} onAnswer={asked.answer} />}
    </Suspense>
  );
}
