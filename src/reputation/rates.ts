// How often a client network may come: messages an hour and connections a minute, counted for all hosts together, and how
// many connections it has open here. Asked by the gateway at connect and at MAIL. A limit is no reason to lose mail: what
// is over it is told to come again later.

import type { Health } from '../mail/ports.ts';
import type { Log } from '../platform/log.ts';
import { clientNetwork } from '../platform/network.ts';
import type { RedisConnection } from '../platform/redis.ts';
import { SharedCounts } from './shared-counts.ts';

export type RateKind = 'connection' | 'message';

export interface RatesOptions {
  readonly redis: Pick<RedisConnection, 'countUp' | 'close'>;
  /** Begins every key; default `postern`. */
  readonly prefix?: string;
  /** Messages a client network may begin in an hour. */
  readonly messagesPerHour: number;
  /** Connections a client network may open in a minute. */
  readonly connectionsPerMinute: number;
  readonly log: Log;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
  /** For tests. */
  readonly exchangeMs?: number;
}

export interface Rates {
  /** Counts it, and says whether it is within the limit. */
  allow(kind: RateKind, address: string): boolean;
  health(): Promise<Health>;
  close(): Promise<void>;
}

const WINDOW_MS: Readonly<Record<RateKind, number>> = { connection: 60_000, message: 3_600_000 };

export function createRates(options: RatesOptions): Rates {
  const now = options.now ?? Date.now;
  const prefix = options.prefix ?? 'postern';
  const limits: Readonly<Record<RateKind, number>> = {
    connection: options.connectionsPerMinute,
    message: options.messagesPerHour,
  };
  const counts = new SharedCounts(options);

  function allow(kind: RateKind, address: string): boolean {
    const network = clientNetwork(address);
    if (network === null || limits[kind] === Number.POSITIVE_INFINITY) return true;
    const windowMs = WINDOW_MS[kind];
    const window = Math.floor(now() / windowMs);
    // The window is part of the key, so that one that is never seen again goes by itself.
    return counts.count(`rate:${prefix}:${kind}:${window}:${network}`, (window + 1) * windowMs) <= limits[kind];
  }

  return {
    allow,
    health: async () => {
      const part = 'rates';
      if (counts.trouble === '') return { part, level: 'ok', says: 'counts clients', next: '' };
      const says = `clients are counted on this host alone: ${counts.trouble}`;
      return { part, level: 'degraded', says, next: 'is the memory Redis running?' };
    },
    close: async () => {
      await counts.close();
      await options.redis.close();
    },
  };
}

export interface ConnectionLimits {
  /** Of one client network. */
  readonly perClient: number;
  /** Of all together. */
  readonly total: number;
  /** Of those, how many only trusted ones may use; none unless told. */
  readonly reserved?: number;
}

/** The connections of this process, by client network. Holds no more entries than there are connections. */
export class ConnectionCounter {
  readonly #limits: ConnectionLimits;
  readonly #open = new Map<string, number>();
  #total = 0;
  /** Of those, the ones that are not trusted. */
  #incoming = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** The function to call when it closes (more than once does no harm); else why there are too many: `reserved` where only trusted ones find a place. */
  enter(address: string, isTrusted = false): (() => void) | 'address' | 'full' | 'reserved' {
    const { perClient, total, reserved = 0 } = this.#limits;
    const network = clientNetwork(address) ?? '';
    const count = this.#open.get(network) ?? 0;
    if (count >= perClient) return 'address';
    // Trusted ones that take their own places take none of the others'.
    if (!isTrusted && this.#incoming >= total - reserved) return reserved > 0 ? 'reserved' : 'full';
    if (this.#total >= total) return 'full';
    this.#open.set(network, count + 1);
    this.#total += 1;
    if (!isTrusted) this.#incoming += 1;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      if (!isTrusted) this.#incoming -= 1;
      this.#leave(network);
    };
  }

  get total(): number {
    return this.#total;
  }

  /** Client networks with a connection. */
  get clients(): number {
    return this.#open.size;
  }

  #leave(network: string): void {
    const left = (this.#open.get(network) ?? 1) - 1;
    if (left === 0) this.#open.delete(network);
    else this.#open.set(network, left);
    this.#total -= 1;
  }
}
