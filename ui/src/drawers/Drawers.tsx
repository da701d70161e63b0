// Being built.
export function Drawers(_: { app: string }) {
  return null;
}
