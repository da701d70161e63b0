/**
 * The last lines of a log, in bounded memory, with a filter kept up to date as lines come in.
 * Fast enough for 10,000 lines a second: a line is looked at once when it comes, and once per
 * change of the filter.
 */
import { type Filter, matches } from "./filter";
import { type Level, level } from "./level";

/** One line as the server sends it. */
export interface LogLine {
  at: string;
  block: string;
  pod: string;
  container: string;
  text: string;
}

/** A line with its number (never reused) and its level, which is read only when it is asked for. */
export class Kept implements LogLine {
  readonly at: string;
  readonly block: string;
  readonly pod: string;
  readonly container: string;
  readonly text: string;
  private known: Level | null = null;

  constructor(
    line: LogLine,
    readonly number: number,
  ) {
    this.at = line.at;
    this.block = line.block;
    this.pod = line.pod;
    this.container = line.container;
    this.text = line.text;
  }

  get level(): Level {
    this.known ??= level(this.text);
    return this.known;
  }
}

export class LogRing {
  /** Lines kept, oldest first; the first `dropped` numbers are gone. */
  private kept: Kept[] = [];
  /** Where `kept` begins; everything before is cut off now and then. */
  private start = 0;
  private shown: Kept[] = [];
  private shownStart = 0;
  private next = 0;
  private characters = 0;
  private filter: Filter;
  /** How many lines ever matched the filter as it was when they came. */
  matched = 0;

  constructor(
    filter: Filter,
    /** At most so many lines … */
    private readonly limit = 50_000,
    /** … and so many characters. */
    private readonly space = 24_000_000,
  ) {
    this.filter = filter;
  }

  /** How many lines were ever added. */
  get total(): number {
    return this.next;
  }

  /** How many are kept. */
  get size(): number {
    return this.kept.length - this.start;
  }

  /** How many were dropped to stay within bounds. */
  get dropped(): number {
    return this.next - this.size;
  }

  /** How many match the filter. */
  get length(): number {
    return this.shown.length - this.shownStart;
  }

  /** The matching line at `index`, from 0. */
  at(index: number): Kept | undefined {
    return this.shown[this.shownStart + index];
  }

  /** All matching lines, oldest first. */
  lines(): Kept[] {
    return this.shown.slice(this.shownStart);
  }

  /** All lines kept, whether they match or not. */
  everything(): Kept[] {
    return this.kept.slice(this.start);
  }

  /** Where the matching line with this number, or the first after it, stands. */
  indexOf(number: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.at(middle)?.number ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(lines: readonly LogLine[]): void {
    for (const line of lines) {
      const one = new Kept(line, this.next);
      this.next += 1;
      this.characters += line.text.length;
      this.kept.push(one);
      if (matches(this.filter, one)) {
        this.shown.push(one);
        this.matched += 1;
      }
    }
    this.shrink();
  }

  setFilter(filter: Filter): void {
    this.filter = filter;
    this.shown = this.everything().filter((line) => matches(filter, line));
    this.shownStart = 0;
  }

  clear(): void {
    this.kept = [];
    this.shown = [];
    this.start = 0;
    this.shownStart = 0;
    this.characters = 0;
  }

  private shrink(): void {
    while (this.size > this.limit || (this.characters > this.space && this.size > 1)) {
      this.characters -= this.kept[this.start]?.text.length ?? 0;
      this.start += 1;
    }
    const first = this.kept[this.start]?.number ?? this.next;
    while (this.length > 0 && (this.at(0)?.number ?? first) < first) this.shownStart += 1;
    // Cutting costs a copy, so it is done once per many lines.
    if (this.start > this.limit) {
      this.kept = this.kept.slice(this.start);
      this.start = 0;
    }
    if (this.shownStart > this.limit) {
      this.shown = this.shown.slice(this.shownStart);
      this.shownStart = 0;
    }
  }
}
