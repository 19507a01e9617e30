// DNS answers that the checks will surely ask for, fetched at once and sent along with the task: the thread's own questions
// cost a message there and one back each, and RFC 9989's tree walk asks one after the other. What is not foreseen is asked
// by the thread as it goes.

import { parseAddress, parseDomain } from '../../mail/address.ts';
import type { ScanTask } from '../../mail/ports.ts';
import { withEither } from '../../platform/deadline.ts';
import { DnsError, type Resolver } from '../../platform/dns.ts';
import type { Foreseen, Outcome, ServeOptions } from './dns-port.ts';

/** RFC 9989 4.10: a longer name is cut to its last seven labels after the first query. */
const WALK_LABELS_MAX = 7;
const LATE = new Error('time for DNS is over');

/** Never rejects: what has no answer in time is foreseen as a failure, or the thread would wait for it a second time. */
export async function foresee(task: ScanTask, options: ServeOptions): Promise<Foreseen> {
  const { resolver, maxLookups, deadlineMs, signal } = options;
  const names = namesOf(task).slice(0, Math.max(0, maxLookups));
  const outcomes = new Map<string, Outcome>(names.map(name => [name, { code: 'ETIMEOUT' }]));
  const ask = async (name: string, either: AbortSignal): Promise<void> => {
    outcomes.set(name, await outcomeOf(name, resolver, either));
  };
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(LATE), deadlineMs);
  try {
    await withEither(signal, end.signal, either => Promise.all(names.map(name => ask(name, either))));
  } catch {
    // What has come until now is known.
  } finally {
    clearTimeout(timer);
  }
  return new Map(outcomes);
}

/** The SPF record of the sender, and the DMARC records from the author's domain up (RFC 7208 2.4, RFC 9989 4.10). */
export function namesOf({ entry, summary }: ScanTask): readonly string[] {
  const { envelope, session } = entry;
  const sender = parseDomain(envelope.mailFrom.address?.domain ?? session.helo);
  // Several authors have no DMARC result; which domain it would be is for the checks to say.
  const author = summary?.from.length === 1 ? parseAddress(summary.from[0] ?? '') : null;
  return [
    ...new Set([...(sender === null ? [] : [sender]), ...walk(author?.domain ?? '').map(name => `_dmarc.${name}`)]),
  ];
}

function walk(domain: string): string[] {
  const names: string[] = [];
  for (let labels = domain.split('.').filter(label => label !== ''); labels.length > 0; ) {
    names.push(labels.join('.'));
    labels = labels.length > WALK_LABELS_MAX ? labels.slice(-WALK_LABELS_MAX) : labels.slice(1);
  }
  return names;
}

async function outcomeOf(name: string, resolver: Resolver, signal: AbortSignal): Promise<Outcome> {
  try {
    return { records: await resolver.resolve(name, 'TXT', signal) };
  } catch (error) {
    return { code: error instanceof DnsError ? error.code : 'ETIMEOUT' };
  }
}
