// Connections to Redis. A command never waits for long: where Redis is away it fails at once, where it does not answer
// it fails after `commandTimeoutMs`, and nothing is sent twice. Used by src/pipeline and src/reputation.

import { Redis } from 'ioredis';

import { errorText, type Log } from './log.ts';

export interface RedisOptions {
  /** `unix:///path`, `redis://[user:password@]host[:port][/db]` or `rediss://…`. Never logged with its password. */
  readonly url: string;
  /** In the log and in CLIENT LIST. */
  readonly name: string;
  readonly commandTimeoutMs: number;
  readonly log: Log;
}

export interface RedisConnection {
  /** Connected, and its last command was answered in time. */
  isReady(): boolean;
  /** Resolves when Redis answers. Rejects where it does not. */
  ping(): Promise<void>;
  /** Names the life of the server: another one after a restart. */
  runId(): Promise<string>;
  /** Sets the key and tells the channel, in one go. */
  setAndPublish(note: PublishedKey): Promise<void>;
  /** The key's value in one round trip, and the key is gone. */
  take(key: string): Promise<string | null>;
  /** Counts each key up (from 0) and gives it, again, its time to live; how far each is now. */
  countUp(counts: readonly KeyCount[]): Promise<number[]>;
  close(): Promise<void>;
}

export interface KeyCount {
  readonly key: string;
  readonly by: number;
  readonly expiresMs: number;
}

export interface PublishedKey {
  readonly key: string;
  readonly value: string;
  readonly expiresMs: number;
  readonly channel: string;
  readonly message: string;
}

export interface Subscription {
  isReady(): boolean;
  close(): Promise<void>;
}

export interface Subscriber {
  readonly message: (text: string) => void;
  /** After each (re)connect: what was published meanwhile is lost and has to be looked for. */
  readonly subscribed: () => void;
}

const CONNECT_TIMEOUT_MS = 3000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;
const QUIT_WITHIN_MS = 500;

export function connectRedis(options: RedisOptions): RedisConnection {
  return new Connection(options);
}

/** A connection of its own that listens to one channel, and does so again after every reconnect. */
export function subscribeRedis(options: RedisOptions, channel: string, subscriber: Subscriber): Subscription {
  const redis = open(options, { autoResubscribe: false });
  let isSubscribed = false;
  redis.on('ready', () => {
    redis.subscribe(channel).then(
      () => {
        isSubscribed = true;
        subscriber.subscribed();
      },
      // Without its subscription the connection is of no use: the next one subscribes again.
      () => redis.disconnect(true),
    );
  });
  redis.on('close', () => {
    isSubscribed = false;
  });
  redis.on('message', (_channel, text) => subscriber.message(text));
  return { isReady: () => isSubscribed, close: () => quit(redis) };
}

/** Where a server is, in the words of ioredis. */
export interface RedisAddress {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  readonly db?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
}

/** Reads a URL: also for BullMQ, which opens its own connections. Throws an error without the URL, it may hold a password. */
export function redisAddress(url: string): RedisAddress {
  if (url.startsWith('unix://')) return { path: url.slice('unix://'.length) };
  const { protocol, hostname, port, username, password, pathname } = parseUrl(url);
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw new Error('a Redis URL starts with unix://, redis:// or rediss://');
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1)) || 0,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url)) throw new Error('not a Redis URL');
  return new URL(url);
}

/** Back-off between connects: it never gives up, for Redis may come back at any time. */
export function retryDelay(times: number): number {
  return Math.min(RETRY_FIRST_MS * 2 ** Math.min(times, 10), RETRY_MAX_MS);
}

/** One line in the log when an outage begins, not one for each attempt. */
export function outageLog(log: Log, name: string): { failed(error: unknown): void; back(): void } {
  let isAway = false;
  return {
    failed: error => {
      if (!isAway) log.warn({ redis: name, err: errorText(error) }, 'redis is away');
      isAway = true;
    },
    back: () => {
      if (isAway) log.info({ redis: name }, 'redis is back');
      isAway = false;
    },
  };
}

class Connection implements RedisConnection {
  readonly #redis: Redis;
  /** Failures in a row; a frozen server keeps its connection. */
  #unanswered = 0;

  constructor(options: RedisOptions) {
    this.#redis = open(options, { commandTimeout: options.commandTimeoutMs });
    this.#redis.on('ready', () => {
      this.#unanswered = 0;
    });
  }

  isReady(): boolean {
    return this.#redis.status === 'ready' && this.#unanswered === 0;
  }

  async ping(): Promise<void> {
    await this.#answered(this.#redis.ping());
  }

  async runId(): Promise<string> {
    const info = await this.#answered(this.#redis.info('server'));
    return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
  }

  async setAndPublish({ key, value, expiresMs, channel, message }: PublishedKey): Promise<void> {
    const commands = this.#redis.multi().set(key, value, 'PX', atLeastOne(expiresMs)).publish(channel, message);
    await this.#answered(all(commands.exec()));
  }

  take(key: string): Promise<string | null> {
    return this.#answered(this.#redis.getdel(key));
  }

  async countUp(counts: readonly KeyCount[]): Promise<number[]> {
    const commands = this.#redis.multi();
    for (const { key, by, expiresMs } of counts) commands.incrby(key, by).pexpire(key, atLeastOne(expiresMs));
    const replies = await this.#answered(all(commands.exec()));
    return counts.map((_, index) => Number(replies[2 * index]));
  }

  close(): Promise<void> {
    return quit(this.#redis);
  }

  async #answered<T>(command: Promise<T>): Promise<T> {
    try {
      const answer = await command;
      this.#unanswered = 0;
      return answer;
    } catch (error) {
      this.#unanswered += 1;
      throw error;
    }
  }
}

function open(
  options: RedisOptions,
  more: { readonly autoResubscribe?: boolean; readonly commandTimeout?: number },
): Redis {
  const redis = new Redis({
    ...redisAddress(options.url),
    connectionName: options.name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // No queue while it is away: it has no bound, and what waits in it is too late anyway.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // A command whose reply was lost is not sent again: it may have been carried out.
    autoResendUnfulfilledCommands: false,
    retryStrategy: retryDelay,
    ...more,
  });
  const outage = outageLog(options.log, options.name);
  redis.on('error', outage.failed);
  redis.on('ready', outage.back);
  return redis;
}

/** The replies of a transaction; the first error among them is thrown. */
async function all(replies: Promise<[error: Error | null, result: unknown][] | null>): Promise<unknown[]> {
  const results = (await replies) ?? [];
  for (const [error] of results) if (error !== null) throw error;
  return results.map(([, result]) => result);
}

function atLeastOne(ms: number): number {
  return Math.max(1, Math.ceil(ms));
}

/** QUIT where it is heard, else the connection is cut. */
async function quit(redis: Redis): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, QUIT_WITHIN_MS);
  });
  const asked =
    redis.status === 'ready'
      ? redis.quit().then(
          () => undefined,
          () => undefined,
        )
      : undefined;
  if (asked !== undefined) await Promise.race([asked, late]);
  clearTimeout(timer);
  redis.disconnect();
}
