// Who waits for which verdict, and how it comes: a message on our channel names an id, the key of that id holds the
// answer. What was published while the connection was away is found by reading all pending keys again. Used by
// scan-service.ts only.

import type { MailId } from '../mail/mail-id.ts';
import { errorText, type Log } from '../platform/log.ts';
import { type RedisConnection, type RedisOptions, type Subscription, subscribeRedis } from '../platform/redis.ts';
import { type Answer, decodeAnswer } from './answer.ts';
import type { QueueNames } from './job.ts';

export interface VerdictReaderOptions {
  readonly redis: RedisOptions;
  /** For reading keys. */
  readonly connection: RedisConnection;
  readonly names: QueueNames;
  /** The job of this id is unknown to Redis and so is its verdict: it was lost. */
  readonly isLost: (id: MailId) => Promise<boolean>;
  readonly onLost: (id: MailId) => Promise<void>;
  readonly log: Log;
}

export interface VerdictReader {
  isReady(): boolean;
  /** Waits for the verdict of `id` until the signal fires; then rejects with its reason. */
  expect(id: MailId, signal: AbortSignal): Promise<Answer>;
  isExpected(id: MailId): boolean;
  /** An answer that comes another way. */
  settle(id: MailId, answer: Answer): void;
  /** The job is in Redis: from now on it can be lost. */
  sent(id: MailId): void;
  close(): Promise<void>;
}

interface Pending {
  readonly settle: (answer: Answer) => void;
  /** 0 while the job is not in the queue yet. */
  looked: number;
}

/** A verdict that has not come after so long is looked for: whatever swallowed its message, it is found. */
const LOOK_AFTER_MS = 3000;
const LOOK_EVERY_MS = 1000;

export function createVerdictReader(options: VerdictReaderOptions): VerdictReader {
  const { connection, names, log } = options;
  const pending = new Map<MailId, Pending>();
  let isLooking = false;
  let isClosed = false;

  /** True where the answer was there. */
  async function take(id: MailId): Promise<boolean> {
    const text = await connection.take(names.verdict(id));
    if (text === null) return false;
    const answer = decodeAnswer(id, text) ?? { kind: 'failed', reason: 'the verdict cannot be read' };
    pending.get(id)?.settle(answer);
    return true;
  }

  async function look(id: MailId): Promise<void> {
    if (await take(id)) return;
    if (!(await options.isLost(id))) return;
    // Worker and look may have crossed: the verdict is written before the job goes.
    if (await take(id)) return;
    if (pending.has(id)) await options.onLost(id);
  }

  /** One round at a time, one id after the other: after an outage there may be hundreds. */
  async function lookFor(isDue: (one: Pending) => boolean): Promise<void> {
    if (isLooking || isClosed) return;
    isLooking = true;
    try {
      for (const [id, one] of [...pending]) {
        if (one.looked === 0 || !isDue(one) || !pending.has(id)) continue;
        await look(id);
        one.looked = Date.now();
      }
    } catch (error) {
      // Tried again with the next round.
      log.debug({ err: errorText(error) }, 'pending verdicts could not be read');
    } finally {
      isLooking = false;
    }
  }

  const subscription: Subscription = subscribeRedis(options.redis, names.channel, {
    message: id => {
      // The channel says only ids; one that nobody waits for is left to its expiry.
      const one = pending.get(id as MailId);
      if (one === undefined) return;
      take(id as MailId).catch(() => {
        one.looked = 1;
      });
    },
    subscribed: () => void lookFor(() => true),
  });
  const timer = setInterval(() => void lookFor(one => Date.now() - one.looked > LOOK_AFTER_MS), LOOK_EVERY_MS);
  timer.unref();

  return {
    isReady: () => subscription.isReady(),
    isExpected: id => pending.has(id),
    settle: (id, answer) => pending.get(id)?.settle(answer),
    sent: id => {
      const one = pending.get(id);
      if (one !== undefined) one.looked = Date.now();
    },
    expect: (id, signal) =>
      new Promise<Answer>((resolve, reject) => {
        if (pending.has(id)) return reject(new Error(`${id} is being scanned already`));
        if (signal.aborted) return reject(signal.reason);
        const end = () => {
          signal.removeEventListener('abort', onAbort);
          pending.delete(id);
        };
        const onAbort = () => {
          end();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const settle = (answer: Answer) => {
          end();
          resolve(answer);
        };
        pending.set(id, { settle, looked: 0 });
      }),
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await subscription.close();
    },
  };
}
