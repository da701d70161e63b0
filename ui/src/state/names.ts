// Names for new blocks: what the person would have typed, made free. Where next: canvas/add.ts.

const FORM = /^[a-z][a-z0-9-]{0,29}$/;
export const isName = (text: string): boolean => FORM.test(text);

/** Any text as a name: lower case, digits and dashes, a letter first. */
export function toName(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 30);
  return plain === "" ? "block" : plain;
}

/** The wish if it is free, else with the first free number behind it. */
export function freeName(wish: string, taken: readonly string[]): string {
  const name = toName(wish);
  if (!taken.includes(name)) return name;
  for (let i = 2; ; i += 1) {
    const next = `${name.slice(0, 27)}-${i}`;
    if (!taken.includes(next)) return next;
  }
}
