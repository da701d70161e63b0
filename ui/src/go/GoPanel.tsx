// Being built.
export function GoPanel(_: { app: string }) {
  return null;
}
