// When a server that stopped by itself is started again: soon, then later, then only by the person.

/** Milliseconds before each restart; after the last one the person has to act. */
const DELAYS = [200, 1_000, 4_000, 15_000] as const;

/** A server that lived this long counts as well again. */
const WELL_AFTER_MS = 180_000;

export class Restarts {
  #deaths = 0;
  #startedAt = 0;

  /** How often it stopped in a row. */
  get deaths(): number {
    return this.#deaths;
  }

  started(now: number): void {
    this.#startedAt = now;
  }

  /** Milliseconds to wait before the next start, or `null` when it stopped too often. */
  died(now: number): number | null {
    if (this.#startedAt && now - this.#startedAt >= WELL_AFTER_MS) this.#deaths = 0;
    this.#startedAt = 0;
    this.#deaths += 1;
    return DELAYS[this.#deaths - 1] ?? null;
  }

  /** The person asked for a start: count anew. */
  forget(): void {
    this.#deaths = 0;
  }
}
