// What the threads of the tests of platform/threads run.

import { setTimeout as after } from 'node:timers/promises';
import { type MessagePort, workerData } from 'node:worker_threads';

export function echo(input: object): object {
  const data: unknown = workerData;
  return { ...input, data: data ?? null };
}

export function fail(message: string): never {
  throw new Error(message);
}

export function spin(): never {
  for (;;);
}

export async function wait(): Promise<void> {
  await after(60_000);
}

export function eat(): unknown {
  const eaten: unknown[] = [];
  for (;;) eaten.push(new Array(100_000).fill(eaten.length));
}

export function exit(): never {
  process.exit(3);
}

/** In the place of sender-auth's: computes for ever when the sender is `endless@…`. */
export function authenticate({ mailFrom, dns }: { readonly mailFrom: string; readonly dns: MessagePort }): unknown {
  if (mailFrom.startsWith('endless@')) spin();
  dns.close();
  return { spf: null, dkim: [], dmarc: null, ambiguous: '' };
}
