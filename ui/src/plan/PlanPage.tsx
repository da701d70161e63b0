// Being built.
export function PlanPage(_: { app: string }) {
  return null;
}
