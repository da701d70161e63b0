// Being built.
export function CanvasPage(_: { app: string }) {
  return null;
}
