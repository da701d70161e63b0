// Finds by letters in order: a whole word beats a beginning of a word, that beats letters far apart.

/** How well `query` is found in `text`; 0: not at all. */
export function score(query: string, text: string): number {
  const wanted = query.trim().toLowerCase();
  const where = text.toLowerCase();
  if (wanted === "") return 1;
  if (where === wanted) return 1000;
  const at = where.indexOf(wanted);
  if (at === 0) return 900 - where.length;
  if (at > 0) return (/[a-z0-9]/.test(where.charAt(at - 1)) ? 500 : 700) - at;
  let total = 0;
  let from = 0;
  let run = 0;
  for (const letter of wanted.replace(/\s+/g, "")) {
    const found = where.indexOf(letter, from);
    if (found < 0) return 0;
    run = found === from ? run + 1 : 0;
    const starts = found === 0 || !/[a-z0-9]/.test(where.charAt(found - 1));
    total += 1 + run * 3 + (starts ? 8 : 0) - Math.min(found - from, 6);
    from = found + 1;
  }
  return Math.max(total, 0);
}

/** The best of several texts, the first counting most. */
export function bestScore(query: string, texts: string[]): number {
  return texts.reduce((best, text, index) => Math.max(best, score(query, text) * (index === 0 ? 1 : 0.8)), 0);
}

export function filterBy<T>(query: string, items: T[], textsOf: (item: T) => string[]): T[] {
  if (query.trim() === "") return items;
  return items
    .map((item, index) => ({ item, index, points: bestScore(query, textsOf(item)) }))
    .filter((it) => it.points > 3)
    .sort((a, b) => b.points - a.points || a.index - b.index)
    .map((it) => it.item);
}
