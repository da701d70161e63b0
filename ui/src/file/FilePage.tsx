// Being built.
export function FilePage(_: { app: string }) {
  return null;
}
