// What a place says when nothing is there, or when it could not be fetched: what, why, what next.
import type { ReactNode } from "react";
import type { Refusal } from "../api/client";
import { Button } from "./Button";

export function Empty({ title, children, icon }: { title: string; children?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="empty">
      {icon && (
        <div className="empty-icon" aria-hidden="true">
          {icon}
        </div>
      )}
      <h2>{title}</h2>
      {children && <div className="empty-text">{children}</div>}
    </div>
  );
}

/** An error of the server in three sentences, and a button to try again. */
export function Problem({ error, retry, what }: { error: Refusal | Error; retry?(): void; what: string }) {
  const refusal = "code" in error ? (error as Refusal) : null;
  return (
    <div className="problem" role="alert">
      <h2 className="lesser">{what}</h2>
      <p>{error.message}</p>
      {refusal?.why && <p className="muted">{refusal.why}</p>}
      {refusal?.hint && <p>{refusal.hint}</p>}
      {refusal && <code>{refusal.code}</code>}
      {retry && (
        <Button small onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Grey bars while something is fetched; never longer than the fetch. */
export function Loading({ what, lines = 4 }: { what: string; lines?: number }) {
  return (
    <div className="loading" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} className="bone" />
      ))}
    </div>
  );
}
