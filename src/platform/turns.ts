// How long the main thread was busy with one thing, in its own processor time. Made once by metrics.ts; the attack tests
// and /health read it. Waiting time alone would not do: on a busy machine it also grows when the processor is taken away.

import { performance } from 'node:perf_hooks';

/** The longest turn that is no bug: a client would notice a longer one (DESIGN section 9 has p99 below 150 ms). */
export const LONGEST_TURN_MS = 200;

/** How often the loop is asked for a sign of life; a turn shorter than this is not told from several. */
const PERIOD_MS = 20;
const MINUTE_MS = 60_000;

export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Processor time of this thread so far, milliseconds. */
  used(): number;
}

const REAL: Clock = {
  now: () => performance.now(),
  used: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

/** Keeps the longest turn. `tick` is called by a timer of PERIOD_MS; tests call it by hand. */
export class Turns {
  readonly #clock: Clock;
  #at: number;
  #used: number;
  /** Since `take`, and in this and the last minute. */
  #longest = 0;
  #minute = { since: 0, longest: 0, before: 0 };

  constructor(clock: Clock = REAL) {
    this.#clock = clock;
    this.#at = clock.now();
    this.#used = clock.used();
    this.#minute.since = this.#at;
  }

  /** Counts from now on, for as long as the process runs; holds nobody up that wants to end. */
  static watch(): Turns {
    const turns = new Turns();
    setInterval(() => turns.tick(), PERIOD_MS).unref();
    return turns;
  }

  /**
   * Between two ticks the loop went round at most once more than they show. What the thread itself used of that time was
   * one turn, or several short ones of a period together; a turn is never longer than the time that went by.
   */
  tick(): void {
    const [now, used] = [this.#clock.now(), this.#clock.used()];
    const turn = Math.min(now - this.#at, used - this.#used);
    [this.#at, this.#used] = [now, used];
    this.#longest = Math.max(this.#longest, turn);
    const gone = now - this.#minute.since;
    if (gone > MINUTE_MS)
      this.#minute = { since: now, longest: 0, before: gone > 2 * MINUTE_MS ? 0 : this.#minute.longest };
    this.#minute.longest = Math.max(this.#minute.longest, turn);
  }

  /** Milliseconds: the longest since the last call. */
  take(): number {
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  /** Milliseconds: the longest of the last one to two minutes. */
  lately(): number {
    return Math.max(this.#minute.longest, this.#minute.before);
  }
}
