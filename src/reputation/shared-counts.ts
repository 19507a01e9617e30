// Counters that all hosts share: counted here at once, exchanged with the memory Redis a moment later and many together,
// so that no session waits for Redis and none stops counting while it is away. For rates.ts.

import { withDeadline } from '../platform/deadline.ts';
import { errorText, type Log } from '../platform/log.ts';
import type { RedisConnection } from '../platform/redis.ts';

export interface SharedCountsOptions {
  readonly redis: Pick<RedisConnection, 'countUp'>;
  readonly log: Log;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
  /** For tests. */
  readonly exchangeMs?: number;
}

interface Count {
  /** Of all hosts, as Redis said last. */
  total: number;
  /** Ours that Redis does not know. */
  own: number;
  /** Epoch milliseconds. */
  readonly until: number;
}

/** How late hosts hear of each other. */
const EXCHANGE_MS = 500;
const EXCHANGE_WITHIN_MS = 1000;
/** In one exchange; what is left comes with the next. */
const BATCH_MAX = 1000;
/** Attackers choose the keys: with more than these at once the oldest are forgotten, here, not in Redis. */
const KEYS_MAX = 50_000;

export class SharedCounts {
  readonly #options: SharedCountsOptions;
  readonly #counts = new Map<string, Count>();
  /** Keys with something that Redis does not know. */
  readonly #changed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #exchange: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Why Redis does not know ours, '' while it does. */
  #trouble = '';

  constructor(options: SharedCountsOptions) {
    this.#options = options;
  }

  get trouble(): string {
    return this.#trouble;
  }

  /** One more; how many there are, as far as is known here. The key is forgotten at `until`, epoch milliseconds. */
  count(key: string, until: number): number {
    let count = this.#counts.get(key);
    if (count === undefined) {
      this.#makeRoom();
      count = { total: 0, own: 0, until };
      this.#counts.set(key, count);
    }
    count.own += 1;
    this.#changed.add(key);
    this.#exchangeSoon();
    return count.total + count.own;
  }

  /** A last exchange, within a bound. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#exchange;
    if (this.#trouble === '') await this.#exchangeNow();
  }

  #makeRoom(): void {
    if (this.#counts.size < KEYS_MAX) return;
    const [oldest] = this.#counts.keys();
    if (oldest === undefined) return;
    this.#counts.delete(oldest);
    this.#changed.delete(oldest);
  }

  #exchangeSoon(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#exchange = this.#exchangeNow().finally(() => {
        this.#timer = undefined;
        if (this.#changed.size > 0) this.#exchangeSoon();
      });
    }, this.#options.exchangeMs ?? EXCHANGE_MS);
    this.#timer.unref();
  }

  /** Never rejects. What Redis did not take is brought again with the next one. */
  async #exchangeNow(): Promise<void> {
    const now = (this.#options.now ?? Date.now)();
    for (const [key, { until }] of this.#counts) {
      if (until > now) continue;
      this.#counts.delete(key);
      this.#changed.delete(key);
    }
    const batch = [...this.#changed].slice(0, BATCH_MAX).flatMap(key => {
      const count = this.#counts.get(key);
      return count === undefined ? [] : [{ key, count, by: count.own, expiresMs: count.until - now }];
    });
    if (batch.length === 0) return;
    try {
      const work = () => this.#options.redis.countUp(batch);
      const totals = await withDeadline(EXCHANGE_WITHIN_MS, 'memory redis', work);
      batch.forEach(({ key, count, by }, index) => {
        count.total = totals[index] ?? count.total + by;
        count.own -= by;
        if (count.own === 0) this.#changed.delete(key);
      });
      this.#trouble = '';
    } catch (error) {
      if (this.#trouble === '')
        this.#options.log.warn({ err: errorText(error) }, 'rates are counted on this host alone');
      this.#trouble = errorText(error);
    }
  }
}
