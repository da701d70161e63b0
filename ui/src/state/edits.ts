// Edits leave here, one after the other, with the revision they saw. A clash over the same field is
// asked about; without a server they wait. Where next: history.ts, ../clash/clash.ts.
import { create } from "zustand";
import { appPath, post, put, type Refusal } from "../api/client";
import { client, keys, queries, wishPlaces, withWishes } from "../api/queries";
import type { Edit, Edited, Groups, Model, Positions } from "../api/types";
import { authorIn, type Clash, clashesIn } from "../clash/clash";
import { announce, clearBad, toast } from "../parts/Live";
import {
  addGroup,
  addMove,
  addVerb,
  emptyHistory,
  type History,
  nextRedo,
  nextUndo,
  redone,
  undone,
} from "./history";

export interface LastEdit {
  app: string;
  summary: string;
  command: string;
  lines: [number, number];
  at: number;
}
interface EditsState {
  histories: Record<string, History>;
  last: LastEdit | null;
  /** Edits that wait for the server to come back. */
  waiting: number;
  /** Edits and steps that this page sent or will send, and has no answer to yet. */
  onTheirWay: number;
  /** Why the last edit of a field was refused: `block.setting` to sentences. */
  refused: Record<string, string[]>;
  /** Edits that were not made because somebody wrote the same field meanwhile: the person decides. */
  asked: Clash[];
}
export const useEdits = create<EditsState>()(() => ({
  histories: {},
  last: null,
  waiting: 0,
  onTheirWay: 0,
  refused: {},
  asked: [],
}));

const historyOf = (app: string) => useEdits.getState().histories[app] ?? emptyHistory;
const setHistory = (app: string, history: History) =>
  useEdits.setState((before) => ({ histories: { ...before.histories, [app]: history } }));

let chain: Promise<unknown> = Promise.resolve();
const onTheirWay = (more: 1 | -1) =>
  useEdits.setState((before) => ({ onTheirWay: before.onTheirWay + more }));
/** Runs one thing after the other: a revision is only known once the edit before is through. */
export function inOrder<T>(run: () => Promise<T>): Promise<T> {
  onTheirWay(1);
  const it = chain.then(run, run);
  chain = it.then(
    () => onTheirWay(-1),
    () => onTheirWay(-1),
  );
  return it;
}

/** What was typed and is not sent yet: each sends it, and answers whether the file has it. */
export const unsaved = new Set<() => Promise<boolean>>();

/** How many edits were not taken, by app: who waits for the others wants to know. */
const lost: Record<string, number> = {};
/**
 * Waits until every edit that is on its way has its answer, those that follow meanwhile too; false if
 * one of this app was not taken. What goes along with a Go is only known then.
 */
export async function settled(app: string): Promise<boolean> {
  const before = lost[app] ?? 0;
  for (const save of unsaved) if (!(await save())) return false;
  while (useEdits.getState().onTheirWay > 0) await chain;
  return (lost[app] ?? 0) === before;
}

export const modelOf = (app: string) => client.getQueryData<Model>(keys.model(app));

function took(app: string, edited: Edited): void {
  client.setQueryData(keys.model(app), edited.model);
  void client.invalidateQueries({ queryKey: keys.file(app) });
  void client.invalidateQueries({ queryKey: keys.history(app) });
  useEdits.setState({
    last: { app, summary: edited.summary, command: edited.command, lines: edited.lines, at: Date.now() },
  });
  clearBad();
  announce(edited.summary);
}

const PAUSE_MS = 2000;
async function send(app: string, edits: Edit[]): Promise<Edited | Refusal> {
  for (let tries = 0; ; tries += 1) {
    const model = modelOf(app) ?? (await client.fetchQuery(queries.model(app)));
    const answer = await post<Edited>(appPath(app, "/edits"), { revision: model.revision, edits });
    if (answer.ok) return answer.value;
    if (answer.error.unreachable) {
      useEdits.setState((before) => ({ waiting: before.waiting || 1 }));
      await new Promise((done) => setTimeout(done, PAUSE_MS));
      continue;
    }
    if (answer.error.status !== 409 || tries > 1) return answer.error;
    const fresh = await client.fetchQuery({ ...queries.model(app), staleTime: 0 });
    const asked = clashesIn(edits, model, fresh, authorIn(answer.error.message));
    if (asked.length === 0) continue;
    useEdits.setState({ asked });
    return answer.error;
  }
}

export interface EditOptions {
  /** Positions to keep with it, for blocks that it adds. */
  place?: Positions;
  /** Where errors are shown instead of a notice: `block.setting`. */
  field?: string;
}

/** Makes edits of an app; answers the new model, or null if they were refused (and said why). */
export function edit(app: string, edits: Edit[], options: EditOptions = {}): Promise<Edited | null> {
  return inOrder(async () => {
    if (options.place) wishPlaces(app, options.place);
    const result = await send(app, edits);
    useEdits.setState({ waiting: 0 });
    if (result instanceof Error) {
      lost[app] = (lost[app] ?? 0) + 1;
      if (useEdits.getState().asked.length === 0) refuse(result, options.field);
      return null;
    }
    if (options.field) clearRefusal(options.field);
    if (options.place) {
      result.model = withWishes(result.model);
      const kept = await put(appPath(app, "/layout"), { blocks: options.place });
      if (!kept.ok) toast(`The layout could not be kept: ${kept.error.message}`, { tone: "bad" });
    }
    setHistory(app, addVerb(historyOf(app), result.summary));
    took(app, result);
    return result;
  });
}

export function clearRefusal(field: string): void {
  useEdits.setState(({ refused: { [field]: _gone, ...refused } }) => ({ refused }));
}

/** Sentences of a refusal: each diagnostic with its sides and its way out, or the error itself. */
export function sentences(error: Refusal): string[] {
  if (error.diagnostics.length === 0) return [error.message, error.hint ?? ""].filter(Boolean);
  return error.diagnostics.map((it) => {
    const sides = it.sides.map((side) => `${side.label} ${side.value}`).join(", ");
    const said = sides === "" ? it.message : `${it.message}: ${sides}`;
    const help = it.help[0];
    if (!help) return `${said}.`;
    return help.command ? `${said}. Try ${help.command}` : `${said}; ${help.text}.`;
  });
}
function refuse(error: Refusal, field: string | undefined): void {
  const said = sentences(error);
  if (field) useEdits.setState((before) => ({ refused: { ...before.refused, [field]: said } }));
  else toast(said.join(" "), { tone: "bad", command: error.diagnostics[0]?.help[0]?.command });
  if (field) announce(said.join(" "));
}

/** Keeps positions on the server; moved by hand or by keys they are a step of the history. */
export async function move(app: string, before: Positions, after: Positions, step = true): Promise<void> {
  if (step) setHistory(app, addMove(historyOf(app), before, after, Date.now()));
  client.setQueryData<Model>(
    keys.model(app),
    (model) =>
      model && {
        ...model,
        blocks: model.blocks.map((it) => (after[it.name] ? { ...it, ...after[it.name] } : it)),
      },
  );
  const answer = await put(appPath(app, "/layout"), { blocks: after });
  if (!answer.ok) toast(`The layout could not be kept: ${answer.error.message}`, { tone: "bad" });
}

/** Puts blocks into groups or out of them; a step of the history. */
export async function group(app: string, after: Groups, places: Positions, step = true): Promise<boolean> {
  const model = modelOf(app);
  const before: Groups = {};
  for (const it of model?.blocks ?? []) if (it.name in after) before[it.name] = it.group ?? null;
  const answer = await put(appPath(app, "/layout"), { blocks: places, groups: after });
  if (!answer.ok) {
    toast(`The group could not be kept: ${answer.error.message}`, { tone: "bad" });
    return false;
  }
  if (step) setHistory(app, addGroup(historyOf(app), before, after));
  client.setQueryData<Model>(
    keys.model(app),
    (known) =>
      known && {
        ...known,
        blocks: known.blocks.map((it) =>
          it.name in after ? { ...it, ...places[it.name], group: after[it.name] ?? null } : it,
        ),
      },
  );
  return true;
}

async function step(app: string, way: "undo" | "redo"): Promise<void> {
  const history = historyOf(app);
  const server = modelOf(app)?.history[way] ?? null;
  const it = way === "undo" ? nextUndo(history, server) : nextRedo(history, server);
  if (!it) {
    announce(`Nothing to ${way}`);
    return;
  }
  if (it.kind === "move") {
    await move(app, it.after, way === "undo" ? it.before : it.after, false);
    announce(way === "undo" ? "Moved back" : "Moved again");
  } else if (it.kind === "group") {
    await group(app, way === "undo" ? it.before : it.after, {}, false);
    announce(way === "undo" ? "Grouping undone" : "Grouped again");
  } else {
    const answer = await post<Edited>(appPath(app, `/${way}`));
    if (!answer.ok) {
      lost[app] = (lost[app] ?? 0) + 1;
      refuse(answer.error, undefined);
      return;
    }
    took(app, answer.value);
  }
  setHistory(app, way === "undo" ? undone(history, it) : redone(history, it));
}
export const undo = (app: string) => inOrder(() => step(app, "undo"));
export const redo = (app: string) => inOrder(() => step(app, "redo"));
