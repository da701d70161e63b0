/**
 * What a screen reader hears while a verb runs: the newest sentence, at most one in two seconds.
 * What was not said is not queued; the next sentence tells the state as it is then.
 */
export const EVERY_MS = 2_000;

export class Speaker {
  private last = Number.NEGATIVE_INFINITY;
  private waiting: string | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly say: (text: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Says `text` now, or in its turn; a newer text takes the place of one that waits. */
  tell(text: string): void {
    const wait = this.last + EVERY_MS - this.now();
    if (wait <= 0) {
      this.speak(text);
      return;
    }
    this.waiting = text;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (this.waiting !== null) this.speak(this.waiting);
    }, wait);
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.waiting = null;
  }

  private speak(text: string): void {
    this.waiting = null;
    this.last = this.now();
    this.say(text);
  }
}
