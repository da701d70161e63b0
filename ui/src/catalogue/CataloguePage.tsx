// Being built.
export function CataloguePage() {
  return null;
}
