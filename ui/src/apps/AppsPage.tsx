// Being built.
export function AppsPage() {
  return null;
}
