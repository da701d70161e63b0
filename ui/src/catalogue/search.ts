/** Finds modules by name, alias or interface, best first. Pure. */
import type { Module } from "../api/types";

/** How well a module fits the words; 0: not at all. */
export function score(module: Module, text: string): number {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return 1;
  let sum = 0;
  for (const word of words) {
    const best = Math.max(
      rate(module.name, word, 8),
      ...module.aliases.map((alias) => rate(alias, word, 6)),
      ...module.offers.map((offer) => rate(offer.interface, word, 5)),
      ...module.needs.map((need) => rate(need.interface, word, 2)),
      rate(module.group, word, 3),
      module.summary.toLowerCase().includes(word) ? 1 : 0,
    );
    if (best === 0) return 0;
    sum += best;
  }
  return sum;
}

function rate(name: string, word: string, weight: number): number {
  const text = name.toLowerCase();
  if (text === word) return weight * 3;
  if (text.startsWith(word)) return weight * 2;
  return text.includes(word) ? weight : 0;
}

export function found(modules: readonly Module[], text: string): Module[] {
  return modules
    .map((module) => ({ module, score: score(module, text) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score || a.module.name.localeCompare(b.module.name))
    .map((one) => one.module);
}
