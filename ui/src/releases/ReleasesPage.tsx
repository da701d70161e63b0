// Being built.
export function ReleasesPage(_: { app: string }) {
  return null;
}
