// What travels through the queue: the id of a message and how long its verdict is of use. Never its content.
// Written by scan-service.ts, read by scan-worker.ts, perhaps of another release.

import { isMailId, type MailId } from '../mail/mail-id.ts';

export interface ScanJob {
  readonly version: 1;
  readonly id: MailId;
  /** Epoch milliseconds: later nobody waits for the verdict. */
  readonly deadline: number;
  /** Epoch milliseconds. */
  readonly enqueued: number;
}

/** null for what this release cannot read. */
export function parseJob(data: unknown): ScanJob | null {
  if (typeof data !== 'object' || data === null) return null;
  const { version, id, deadline, enqueued } = data as Partial<Record<keyof ScanJob, unknown>>;
  if (version !== 1 || typeof id !== 'string' || !isMailId(id)) return null;
  if (typeof deadline !== 'number' || typeof enqueued !== 'number') return null;
  return { version, id, deadline, enqueued };
}

/** Where things are in Redis. `prefix` and `host` come from the settings, ids are safe by their form. */
export interface QueueNames {
  readonly queue: string;
  /** The key of a verdict, with an expiry. */
  readonly verdict: (id: MailId) => string;
  /** One channel a host: says the id of a verdict that is there. */
  readonly channel: string;
}

const NAME = /^[A-Za-z0-9._{}-]{1,100}$/;

/** Throws where prefix or host could not stand in a key. */
export function queueNames(prefix: string, host: string): QueueNames {
  for (const name of [prefix, host]) {
    if (!NAME.test(name)) throw new Error(`letters, digits, dots and hyphens only: ${JSON.stringify(name)}`);
  }
  return {
    queue: `scan-${host}`,
    verdict: id => `verdict:${prefix}:${id}`,
    channel: `verdicts:${prefix}:${host}`,
  };
}
