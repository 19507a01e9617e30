// DNS for a thread: the question goes through a message port to the main thread's cached resolver, the answer comes back.
// Both ends. The main thread's end counts what one message may ask and ends it all at its time.

import type { MessagePort } from 'node:worker_threads';

import { DnsError, type DnsRecords, type DnsType, type Resolver } from '../../platform/dns.ts';

/** All that mailauth asks for. */
const TYPES: ReadonlySet<string> = new Set<DnsType>(['A', 'AAAA', 'CNAME', 'MX', 'PTR', 'TXT']);

interface Question {
  readonly id: number;
  readonly name: string;
  readonly type: string;
}

type Answer = { readonly id: number; readonly records: unknown } | { readonly id: number; readonly code: string };

/** What a question was answered with: records, or the code of the failure. */
export type Outcome = { readonly records: DnsRecords['TXT'] } | { readonly code: string };

/** By name; all are TXT. */
export type Foreseen = ReadonlyMap<string, Outcome>;

export interface ServeOptions {
  readonly resolver: Resolver;
  /** Beyond it every question is answered with ECANCELLED: a temperror. */
  readonly maxLookups: number;
  /** From the first question on; then all open and all further questions are answered with ETIMEOUT. */
  readonly deadlineMs: number;
  /** When it fires, the same. */
  readonly signal: AbortSignal;
}

/** On the main thread: answers until the port is closed. */
export function serveDns(port: MessagePort, { resolver, maxLookups, deadlineMs, signal }: ServeOptions): void {
  let asked = 0;
  const end = new AbortController();
  const onSignal = () => end.abort(signal.reason);
  if (signal.aborted) onSignal();
  else signal.addEventListener('abort', onSignal, { once: true });
  let timer: NodeJS.Timeout | undefined;
  port.once('close', () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onSignal);
  });
  port.on('message', async ({ id, name, type }: Question) => {
    asked += 1;
    // Not before: the message may have waited for its thread.
    timer ??= setTimeout(() => end.abort(new Error('time for DNS is over')), deadlineMs);
    const answer = (more: { records: unknown } | { code: string }) => port.postMessage({ id, ...more });
    if (asked > maxLookups) return answer({ code: 'ECANCELLED' });
    if (!TYPES.has(type)) return answer({ code: 'ENOTIMP' });
    try {
      answer({ records: await resolver.resolve(name, type as DnsType, end.signal) });
    } catch (error) {
      answer({ code: error instanceof DnsError ? error.code : 'ETIMEOUT' });
    }
  });
}

/** As mailauth wants it. */
export type Ask = (name: string, type: string) => Promise<string[]>;

/** On the thread. The port must be closed by the caller. */
export function askThrough(port: MessagePort, foreseen: Foreseen = new Map()): Ask {
  const open = new Map<number, (answer: Answer) => void>();
  let last = 0;
  port.on('message', (answer: Answer) => {
    open.get(answer.id)?.(answer);
    open.delete(answer.id);
  });
  return (name, type) =>
    new Promise((resolve, reject) => {
      const known = type === 'TXT' ? foreseen.get(name.toLowerCase()) : undefined;
      // A copy: mailauth sorts what it gets in place.
      if (known !== undefined && 'records' in known) return resolve(known.records.map(record => [...record]) as never);
      if (known !== undefined) return reject(new DnsError(known.code, `TXT ${name.slice(0, 100)}`));
      last += 1;
      open.set(last, answer => {
        if ('code' in answer) reject(new DnsError(answer.code, `${type} ${name.slice(0, 100)}`));
        // MX records are objects in truth; mailauth's types know only strings.
        else resolve(answer.records as string[]);
      });
      port.postMessage({ id: last, name, type } satisfies Question);
    });
}
