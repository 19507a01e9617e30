// How often a client network may come: messages an hour and connections a minute, counted in the memory Redis by all
// hosts together, and how many connections it has open here. Asked by the gateway at connect and at MAIL. Redis away
// means allowed: a limit is no reason to lose mail.

import type { Health } from '../mail/ports.ts';
import { withDeadline } from '../platform/deadline.ts';
import { errorText, type Log } from '../platform/log.ts';
import { clientNetwork } from '../platform/network.ts';
import type { RedisConnection } from '../platform/redis.ts';

export type RateKind = 'connection' | 'message';

export interface RatesOptions {
  readonly redis: Pick<RedisConnection, 'increment' | 'close'>;
  /** Begins every key; default `postern`. */
  readonly prefix?: string;
  /** Messages a client network may begin in an hour. */
  readonly messagesPerHour: number;
  /** Connections a client network may open in a minute. */
  readonly connectionsPerMinute: number;
  readonly log: Log;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export interface Rates {
  /** Counts it, and says whether it is within the limit. Never rejects; answers within RATES_DEADLINE_MS. */
  allow(kind: RateKind, address: string): Promise<boolean>;
  health(): Promise<Health>;
  close(): Promise<void>;
}

/** A session waits for this: longer than a good Redis ever takes, short enough to be no harm. */
export const RATES_DEADLINE_MS = 250;
/** After a failure Redis is left alone for so long, so that an outage does not cost every session its wait. */
const REST_MS = 1000;
const WINDOW_MS: Readonly<Record<RateKind, number>> = { connection: 60_000, message: 3_600_000 };

export function createRates(options: RatesOptions): Rates {
  const now = options.now ?? Date.now;
  const prefix = options.prefix ?? 'postern';
  const limits: Readonly<Record<RateKind, number>> = {
    connection: options.connectionsPerMinute,
    message: options.messagesPerHour,
  };
  /** '' while all is well. */
  let trouble = '';
  let restUntil = 0;

  async function allow(kind: RateKind, address: string): Promise<boolean> {
    const network = clientNetwork(address);
    if (network === null || now() < restUntil) return true;
    const windowMs = WINDOW_MS[kind];
    // The window is part of the key, so that one that is never seen again goes by itself.
    const key = `rate:${prefix}:${kind}:${Math.floor(now() / windowMs)}:${network}`;
    try {
      const count = await withDeadline(RATES_DEADLINE_MS, 'memory redis', () => options.redis.increment(key, windowMs));
      trouble = '';
      return count <= limits[kind];
    } catch (error) {
      if (trouble === '')
        options.log.warn({ err: errorText(error) }, 'rates cannot be counted: all clients are let in');
      trouble = errorText(error);
      restUntil = now() + REST_MS;
      return true;
    }
  }

  return {
    allow,
    health: async () => {
      const part = 'rates';
      if (trouble === '') return { part, level: 'ok', says: 'counts clients', next: '' };
      const says = `clients are not counted, all are let in: ${trouble}`;
      return { part, level: 'degraded', says, next: 'is the memory Redis running?' };
    },
    close: () => options.redis.close(),
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

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** The function to call when it closes (more than once does no harm); else why there are too many. */
  enter(address: string, isTrusted = false): (() => void) | 'address' | 'full' {
    const { perClient, total, reserved = 0 } = this.#limits;
    const network = clientNetwork(address) ?? '';
    const count = this.#open.get(network) ?? 0;
    if (count >= perClient) return 'address';
    if (this.#total >= (isTrusted ? total : total - reserved)) return 'full';
    this.#open.set(network, count + 1);
    this.#total += 1;
    let isOpen = true;
    return () => {
      if (isOpen) this.#leave(network);
      isOpen = false;
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
