// The wire format of the canvas's HTTP interface, exactly as the server sends it.
// Nothing here is derived: what is computed from it lives in src/state. Where next: client.ts.

/** One vocabulary of states, everywhere. */
export type StatusWord =
  | "draft"
  | "waiting"
  | "building"
  | "pulling"
  | "starting"
  | "ready"
  | "degraded"
  | "failing"
  | "stopped"
  | "stale";

export interface Side {
  label: string;
  value: string;
  line?: number;
}
export interface Help {
  text: string;
  command?: string;
}
export interface Diagnostic {
  code: string;
  message: string;
  line: number;
  column: number;
  end_column: number;
  sides: Side[];
  help: Help[];
}
export interface ErrorBody {
  code: string;
  message: string;
  cause?: string;
  hint?: string;
  docs?: string;
  diagnostics?: Diagnostic[];
}

export interface Me {
  person: { name: string; initials: string };
  version: string;
  target: { name: string; url?: string | null; protected: boolean; away: boolean };
  token_for_ws?: string;
}

/** An app as files for somewhere else, before they are fetched. */
export interface ExportReport {
  files: string[];
  /** Images that must be there, with what each is built from. */
  images: [image: string, from: string][];
  notes: string[];
}

/** A place where apps run: this machine (`local`), or a cluster that a kubeconfig leads to. */
export interface TargetRow {
  name: string;
  server: string | null;
  registry: string | null;
  address: string | null;
  protected: boolean;
  used: boolean;
}

export interface AppRow {
  name: string;
  state: string;
  url?: string | null;
  dir?: string;
  target?: string;
  released_at?: string | null;
  released_by?: string | null;
  ready?: number;
  wanted?: number;
  changes?: number;
}
export type NewApp = { empty: true } | { example: string } | { dir: string };

export interface Catalogue {
  interfaces: Interface[];
  modules: Module[];
}
export interface Interface {
  name: string;
  summary: string;
  order: string;
  letter: string;
  fields: { name: string; type: string }[];
}
export interface Module {
  name: string;
  version: string;
  summary: string;
  aliases: string[];
  group: string;
  icon?: string;
  offers: { name: string; interface: string; facts: Record<string, string> }[];
  needs: { socket: string; interface: string; limits: Limit[]; cardinality: Cardinality }[];
  settings: { name: string; default: Scalar | null; help: string; type: string }[];
  assumes: { name: string; says: string; if_not: string }[];
  extend: { point: string; kind: string; help: string }[];
  memory?: string;
  size?: string;
}

export type Cardinality = "one" | "optional" | "many" | "some";
export type Scalar = string | number | boolean;
/** A limit a socket puts on a fact of the provider: `version >=16`, either as text or in parts. */
export type Limit = string | { fact: string; rule: string };
export type Origin = "default" | "you" | "wire" | "target";

export interface Setting {
  name: string;
  value: Scalar | null;
  default: Scalar | null;
  origin: Origin;
  help: string;
  type: string;
  line?: number;
}
export interface Socket {
  name: string;
  interface: string;
  limits: Limit[];
  cardinality: Cardinality;
  providers: string[];
  missing: boolean;
  line?: number;
}
export interface Offer {
  name: string;
  interface: string;
  facts: Record<string, string>;
  /** How many wires it takes; null or absent: any number. */
  max?: number | null;
  process?: string;
}
export interface Process {
  name: string;
  run?: string;
  port?: number;
  paths: string[];
  copies: number | string;
  every?: string;
  ready?: string;
}
export interface Assumption {
  name: string;
  says: string;
  if_not: string;
  state: "holds" | "unknown" | "broken";
  because?: string;
}
export interface From {
  kind: "module" | "source" | "image" | "external";
  /** The image as written: registry, name and tag. */
  image?: string;
  module?: string;
  version?: string;
  path?: string;
  newest?: string;
}
export interface Block {
  name: string;
  from: From;
  rung: 0 | 1 | 2 | 3 | 4;
  line: number;
  x?: number | null;
  y?: number | null;
  /** The group it is drawn in, by name. */
  group?: string | null;
  summary: string;
  icon?: string | null;
  public: boolean | string | null;
  settings: Setting[];
  sockets: Socket[];
  offers: Offer[];
  processes: Process[];
  disks: { name: string; at: string; size: string }[];
  secrets: { name: string }[];
  env: { name: string; value: string; secret: boolean }[];
  before: string[];
  assumptions: Assumption[];
  extend: { point: string; kind: string; help: string; value?: unknown }[];
  staged: null | { by: string; initials: string };
}
export interface Wire {
  consumer: string;
  socket: string;
  provider: string;
  offer: string;
  interface: string;
  before_start: boolean;
  limits: Limit[];
  fields: { name: string; env?: string; file?: string; secret: boolean }[];
  creates: string[];
}
export interface Change {
  id: string;
  by: string;
  initials: string;
  at: string;
  summary: string;
  command: string;
  mine: boolean;
}
export interface Model {
  app: string;
  dir: string;
  revision: string;
  valid: boolean;
  diagnostics: Diagnostic[];
  changes: Change[];
  history: { undo: string | null; redo: string | null };
  url?: string | null;
  blocks: Block[];
  wires: Wire[];
}

/** A verb on app.toml; the server writes the file. */
export type Edit =
  | { verb: "add"; block: string; use?: string; source?: string; image?: string; port?: number }
  | { verb: "remove"; block: string }
  | { verb: "rename"; block: string; to: string }
  | { verb: "wire"; block: string; socket: string; provider: string }
  | { verb: "unwire"; block: string; socket: string; provider?: string }
  | { verb: "set"; block: string; setting: string; value: Scalar }
  | { verb: "unset"; block: string; setting: string }
  | { verb: "need"; block: string; socket: string; interface: string; limits: Record<string, string> }
  | { verb: "unneed"; block: string; socket: string }
  | { verb: "copies"; block: string; process?: string; copies: string }
  | { verb: "url"; block: string; process?: string; path: string[]; port?: number }
  | { verb: "use"; block: string; module: string }
  | { verb: "extend"; block: string; point: string; value: unknown }
  | { verb: "env"; block: string; name: string; value: string | null }
  | { verb: "secret"; block: string; name: string; given: boolean }
  | { verb: "paste"; block: string; toml: string; at: number };

export interface Edited {
  model: Model;
  lines: [number, number];
  summary: string;
  command: string;
}
export interface HistoryEntry {
  id: string;
  at: string;
  by: string;
  edits: Edit[];
  summary: string;
  command: string;
  undone: boolean;
  released: string | null | boolean;
}
export type Positions = Record<string, { x: number; y: number }>;
/** Blocks and the group each goes into; null takes it out. */
export type Groups = Record<string, string | null>;

export interface FileText {
  text: string;
  revision: string;
}

export interface PlanChange {
  block: string;
  kind: "added" | "changed" | "removed" | "unchanged";
  reasons: string[];
  restarts: boolean;
}
export interface PlanDraft {
  id: string;
  by: string;
  initials?: string;
  summary: string;
  command?: string;
  kind: string;
  mine: boolean;
}
export interface PlanReport {
  app: string;
  changes: PlanChange[];
  object_count: number;
  wires: string[];
  assumptions: string[];
  data_at_risk: string[];
  /** Tags that stand for another image than the one that runs. */
  moved?: { block: string; image: string; pinned: string; now: string }[];
  url: string | null;
  has_changes: boolean;
  lines: string[];
  drafts?: PlanDraft[];
  seconds?: number | null;
}

/** One thing that happened while a verb ran. */
export type OperationEvent =
  | { event: "plan"; line: string }
  | { event: "base"; block: string; text: string }
  | { event: "build-step"; block: string; index: number; count: number; text: string; cached: boolean }
  | { event: "build-output"; block: string; line: string }
  | { event: "block"; name: string; state: BlockState; detail: string; seconds: number }
  | {
      event: "wire";
      consumer: string;
      provider: string;
      interface: string;
      state: "granted" | "probed" | "refused";
    }
  | { event: "note"; text: string }
  | { event: "done"; url: string | null; seconds: number };
export type BlockState =
  | "building"
  | "built"
  | "starting"
  | "preparing"
  | "ready"
  | "unchanged"
  | "failing"
  | "stopped"
  | "removed";

export interface OperationRow {
  id: string;
  verb: string;
  app: string;
  by: string;
  started: string;
  running: boolean;
  events: number;
}
export interface OperationMessage {
  id: string;
  verb: string;
  app: string;
  by: string;
  started?: string;
  /** The first message of an operation; a stream that begins anew tells it from here again. */
  began?: boolean;
  event?: OperationEvent;
  result?: Record<string, unknown>;
  error?: ErrorBody;
}

export interface Release {
  release: string;
  at: string;
  by: string;
  seconds: number;
  url?: string | null;
  summary: string;
  text?: string;
}

/** One line of a foreign file, and what became of it. */
export interface ImportRow {
  file: string;
  line: number;
  path: string;
  state: "mapped" | "guessed" | "not-mapped";
  becomes?: string;
  why: string;
  next?: string;
}
export interface ImportReport {
  app: string;
  /** The proposed app file. */
  text: string;
  rows: ImportRow[];
  notes: string[];
  /** Secrets whose values a person gives. */
  given: { block: string; name: string }[];
  counts: { mapped: number; guessed: number; not_mapped: number };
  diagnostics: Diagnostic[];
}

/** What taking back the last go would mean. */
export interface UndoPlan {
  running: Moment;
  before: Moment;
  lines: string[];
  data: null | {
    snapshot: string;
    /** What was written after this moment would be lost. */
    at: string;
    parts: [block: string, bytes: number][];
    left_out: { block: string; reason: string }[];
  };
}
export interface Moment {
  release: string;
  at: string;
  by: string;
  summary: string;
}
/** A backup that the server keeps. */
export interface Backup {
  name: string;
  app: string;
  at: string;
  /** Why it was made: `backup`, `schedule`, `snapshot`, `before-go`, `before-restore`, `copy`. */
  label: string;
  release: string | null;
  before: string | null;
  size_bytes: number;
  sealed: boolean;
}
export interface Backups {
  backups: Backup[];
  schedule: null | { every: string; keep: number; last: string; trouble?: string };
}
/** What runs, and what is newer on the shelf. */
export interface Upgrades {
  app: string;
  blocks: {
    block: string;
    module: string;
    version: string;
    newer: { version: string; written: string; major: boolean }[];
    /** Why it waits for a yes though its rehearsal is good. */
    asks: string | null;
  }[];
  yours: string[];
}
export interface BrowserSession {
  id: string;
  name: string;
  initials: string;
  made_at: string;
  used_at: string;
  here: boolean;
}

export interface PodStatus {
  name: string;
  process?: string;
  ready: boolean;
  restarts: number;
  state: string;
  ip?: string;
  node?: string;
  since?: string;
  reason?: string;
}
export interface BlockStatus {
  name: string;
  from: string;
  state: BlockState | StatusWord;
  ready: number;
  wanted: number;
  restarts: number;
  pods: (PodStatus | string)[];
  detail: string;
}
export interface StatusReport {
  app: string;
  state: BlockState | StatusWord;
  url: string | null;
  release: string | null;
  released_at: string | null;
  blocks: BlockStatus[];
  /** What could go wrong next, such as a disk that is nearly full. */
  warnings?: string[];
}

export interface LogLine {
  at: string;
  block: string;
  pod: string;
  container: string;
  text: string;
}
export interface MetricPoint {
  at: string;
  blocks: Record<
    string,
    { cpu_millis?: number; memory_bytes?: number; disk_bytes?: number; requests?: number; errors?: number }
  >;
}
export interface Metrics {
  every_seconds: number;
  points: MetricPoint[];
}
export interface AppEvent {
  at: string;
  type: string;
  reason: string;
  object: string;
  block?: string | null;
  message: string;
  count: number;
}
export interface SystemReport {
  machine: { cpus: number; memory_bytes: number; [key: string]: unknown };
  server: Record<string, unknown>;
  nodes: Record<string, unknown>[];
  images: { names?: string[]; name?: string; digest?: string; size_bytes?: number; [key: string]: unknown }[];
  disks: { app: string; block: string; disk: string; size: string; used_bytes?: number | null }[];
  data: Record<string, unknown>;
}
export interface Presence {
  name: string;
  initials: string;
  block: string | null;
}

export type StreamEvent =
  | { kind: "model"; data: { app: string; revision: string; valid: boolean; error?: string } }
  | { kind: "status"; data: StatusReport }
  | { kind: "operation"; data: OperationMessage }
  | { kind: "layout"; data: { app?: string } }
  | { kind: "people"; data: { people: Presence[] } }
  | { kind: "ping"; data: unknown };
