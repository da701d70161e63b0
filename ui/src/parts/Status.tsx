// A status is a shape, a word and a colour, always all three. Where next: state/status.ts.
import type { StatusWord } from "../api/types";
import { SHAPES, toneOf } from "../state/status";

interface Props {
  word: StatusWord;
  /** After the word: "2/3", "for db", "3 s ago". */
  detail?: string | null;
  /** Only the shape is drawn; the word stays for those who listen. */
  bare?: boolean;
}

export function Status({ word, detail, bare }: Props) {
  return (
    <span className={`status tone-${toneOf(word)}`} data-status={word}>
      <svg className="status-shape" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d={SHAPES[word].path} fillRule="evenodd" />
      </svg>
      <span className={bare ? "spoken" : "status-word"}>
        {word}
        {detail ? <span className="status-detail"> {detail}</span> : null}
      </span>
    </span>
  );
}

/** A word with a tone, for what is not a status: counts, rungs, kinds. */
export function Badge({
  tone = "idle",
  children,
}: {
  tone?: "good" | "busy" | "warn" | "bad" | "idle";
  children: React.ReactNode;
}) {
  return <span className={`badge tone-${tone}`}>{children}</span>;
}
