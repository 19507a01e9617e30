// Who has to go when every place is taken and somebody new comes: the client that has kept us waiting longest. So idle
// and dripping connections, however many, keep nobody out who has something to say. Called by the listener.

/** A connection as it is seen here. */
export interface Waited {
  /** How long the client has kept us waiting, milliseconds; 0 while it waits for us. */
  waitedMs(now: number): number;
}

/** All who have a place: a Map by connection, or a Set. */
export interface Everyone<C> {
  keys(): Iterable<C>;
  has(one: C): boolean;
}

/** Looking through all connections costs milliseconds; a flood of newcomers must not cost that each. */
const LOOK_EVERY_MS = 100;
/** As many as are remembered of one look, so at most ten times as many leave in a second. */
const REMEMBERED = 2000;
/** After so long others may have waited longer. */
const REMEMBERED_MS = 1000;

export class Crowd<C extends Waited> {
  /** Those that had waited longest at the last look, the longest last. */
  #longest: C[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Of `all`, the one that has kept us waiting longest and at least `leastMs`; null where nobody has. */
  slowest(all: Everyone<C>, leastMs: number, now: number): C | null {
    if (now - this.#lookedAt > REMEMBERED_MS) this.#longest = [];
    const known = this.#next(all, leastMs, now);
    if (known !== null || now - this.#lookedAt < LOOK_EVERY_MS) return known;
    this.#lookedAt = now;
    this.#longest = [...all.keys()]
      .map(one => ({ one, waited: one.waitedMs(now) }))
      .filter(({ waited }) => waited >= leastMs)
      .sort((a, b) => a.waited - b.waited)
      .slice(-REMEMBERED)
      .map(({ one }) => one);
    return this.#next(all, leastMs, now);
  }

  #next(all: Everyone<C>, leastMs: number, now: number): C | null {
    for (let one = this.#longest.pop(); one !== undefined; one = this.#longest.pop()) {
      // It may have spoken since, or gone: then its place is another's already.
      if (all.has(one) && one.waitedMs(now) >= leastMs) return one;
    }
    return null;
  }
}
