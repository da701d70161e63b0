// Go at once, from a button: with one's own changes, as they are when every edit has its answer.
// Where next: ../plan/PlanPage.tsx (Go with what was ticked), operations.ts.
import { announce } from "../parts/Live";
import { chosen } from "../plan/ticks";
import { modelOf, settled, useEdits } from "../state/edits";
import { type Started, startGo } from "./operations";

/** Starts it; null if an edit that should have gone along was not taken: its sentence says why. */
export async function goWithMine(app: string): Promise<Started | null> {
  if (useEdits.getState().onTheirWay > 0) announce("Go waits for your last edit");
  if (!(await settled(app))) return null;
  // Other people's changes are theirs to release: they go along only where the plan has their tick.
  const changes = chosen(modelOf(app)?.changes ?? []);
  return startGo(app, changes);
}
