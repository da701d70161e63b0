// Being built.
export function SystemPage() {
  return null;
}
