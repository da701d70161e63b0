// Being built.
export function ServerBanner() {
  return null;
}
