/** A verb that failed, told in three sentences with the buttons that do the next thing. Pure. */

/** An error as the server tells it. */
export interface VerbError {
  code: string;
  message: string;
  cause?: string | null;
  hint?: string | null;
  rendered?: string;
}

/** A next thing to do; the screen knows how. */
export type Action =
  | { do: "logs"; block: string; previous: boolean; label: string }
  | { do: "file"; label: string }
  | { do: "settings"; block: string; label: string }
  | { do: "retry"; label: string }
  | { do: "terminal"; block: string; label: string }
  | { do: "system"; label: string }
  | { do: "copy"; text: string; label: string };

export interface Failure {
  /** The block that failed, if one did. */
  block: string | null;
  tried: string;
  why: string;
  next: string;
  /** The lines the error itself carries. */
  lines: string[];
  actions: Action[];
}

/** The block an error is about: the first of `blocks` that its message names as a word. */
export function blockOf(error: VerbError, blocks: readonly string[]): string | null {
  const text = `${error.message} ${error.cause ?? ""}`;
  const found = blocks
    .map((block) => ({ block, at: text.search(new RegExp(`(^|[^a-z0-9-])${block}([^a-z0-9-]|$)`)) }))
    .filter((one) => one.at >= 0)
    .sort((a, b) => a.at - b.at || b.block.length - a.block.length);
  return found[0]?.block ?? null;
}

/** The lines printed below `last lines:` in an error's text. */
export function linesOf(rendered: string): string[] {
  const lines = rendered.split("\n");
  const from = lines.findIndex((line) => /^\s*last lines:/.test(line));
  if (from < 0) return [];
  const found: string[] = [];
  for (const line of lines.slice(from)) {
    if (found.length > 0 && !/^ {2,}/.test(line)) break;
    if (found.length > 0 && /^ {2}\S/.test(line)) break;
    found.push(line.replace(/^\s*last lines:\s?/, "").replace(/^ {14}/, ""));
  }
  return found;
}

const TRIED: Record<string, string> = {
  go: "bring the app up as the file says",
  stop: "stop the app",
  start: "start the app again",
  destroy: "remove the app",
  restart: "restart the block",
  rotate: "give a wire a new login",
  backup: "back the app up",
  restore: "restore a backup",
  copy: "copy the app with its data",
  upgrade: "upgrade a block",
  undo: "take back the last Go",
  rollback: "go back to an earlier release",
};

function because(error: VerbError): string {
  const cause = error.cause ? `${error.message}: ${error.cause}` : error.message;
  // It may begin with a block's name, which is written as it is.
  return `${cause}${/[.!?]$/.test(cause) ? "" : "."}`;
}

const NEXT: ReadonlyArray<readonly [RegExp, string]> = [
  [/^(image|build)\//, "Correct the step in the Dockerfile and press Go again; steps before it are cached."],
  [
    /^start\//,
    "Read the marked line: it is the first that speaks of an error. Correct it, then press Go again.",
  ],
  [
    /^(step|before)\//,
    "No new copy was started and the old ones still run. Correct the step, then press Go again.",
  ],
  [/^(wire|grant)\//, "Read what the provider said, correct the wire or the provider, then press Go again."],
  [/^(port|address|net)\//, "Free the port or choose another one, then press Go again."],
  [/^timeout|\/timeout$/, "It goes on starting by itself; look at the log, or raise the time it may take."],
  [/^disk\//, "Free some space on the machine (System shows what uses it), then press Go again."],
];

/** The failure of a verb, ready to show. */
export function failure(verb: string, app: string, error: VerbError, blocks: readonly string[]): Failure {
  const block = blockOf(error, blocks);
  const general = NEXT.find(([form]) => form.test(error.code))?.[1];
  const hint = error.hint?.trim();
  const actions: Action[] = [];
  const wrong = /^(wire|block|setting|app|file|syntax|type|version|module|name|need)\b/.test(error.code);
  if (block !== null && !wrong) {
    const previous = /^start\/|crash/.test(error.code);
    actions.push({ do: "logs", block, previous, label: `Log of ${block}` });
    actions.push({ do: "settings", block, label: `Settings of ${block}` });
  }
  if (/disk|space|memory|image\//.test(error.code)) {
    actions.push({ do: "system", label: "What uses the machine" });
  }
  actions.push({ do: "file", label: "Open app.toml" });
  actions.push({ do: "retry", label: verb === "go" ? "Go again" : "Try again" });
  return {
    block,
    tried: `Tried to ${TRIED[verb] ?? `${verb} the app`} (${app}).`,
    why: because(error),
    next: hint ? tidy(hint) : (general ?? "Nothing was rolled back; what ran before still runs."),
    lines: linesOf(error.rendered ?? ""),
    actions,
  };
}

/** A hint is laid out for a terminal; here it is a sentence. */
function tidy(hint: string): string {
  // Two hints stand side by side there, far apart.
  const parts = hint.trim().split(/\s{4,}|\n/);
  const text = parts.map((part) => part.replace(/\s{2,}/g, " ").trim()).join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
