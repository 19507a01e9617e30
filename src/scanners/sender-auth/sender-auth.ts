// Is the sender who it claims to be: SPF, DKIM and DMARC, on threads of their own. A Scanner: DNS that fails gives the
// facts temperror, a thread that fails `unavailable`; it never rejects. Mail of our own users is not asked about.

import { MessageChannel } from 'node:worker_threads';

import { type Finding, unavailable } from '../../mail/finding.ts';
import type { Health, Scanner, ScanTask } from '../../mail/ports.ts';
import { orAborted, withEither } from '../../platform/deadline.ts';
import type { Resolver } from '../../platform/dns.ts';
import { errorText } from '../../platform/log.ts';
import { isPublicAddress } from '../../platform/network.ts';
import { ThreadLost, type Threads } from '../../platform/threads.ts';
import { serveDns } from './dns-port.ts';
import { type AuthFacts, findingsOf } from './facts.ts';
import { foresee } from './foreseen.ts';
import type { AuthTask } from './thread.ts';

/** What the pool's threads run, unless the pool is given a module that exports `authenticate` too. */
export const SENDER_AUTH_THREAD = new URL('./thread.ts', import.meta.url);

export interface SenderAuthOptions {
  /** Threads on SENDER_AUTH_THREAD; they mostly wait for DNS, so 8 to 16 tasks each. Closed with the scanner. */
  readonly threads: Threads;
  readonly resolver: Resolver;
  /** Our host name. */
  readonly hostname: string;
  /** DKIM signatures of one message that are verified; those of the author's domain first. */
  readonly maxSignatures: number;
  /** Shorter RSA keys do not count. */
  readonly minRsaBits: number;
  /** Lookups one message may cause; an SPF record alone may need 111 (RFC 7208 4.6.4). */
  readonly maxLookups: number;
  /** For all lookups of one message; beyond it what is not known is temperror (RFC 7208 4.6.4: at least 20 s). */
  readonly dnsDeadlineMs: number;
}

/** A task that waits for DNS ends by itself when its lookups end; one that computes is killed after this. */
const GRACE_MS = 500;
const PART = 'sender-auth';

export function createSenderAuth(options: SenderAuthOptions): Scanner {
  return new SenderAuth(options);
}

class SenderAuth implements Scanner {
  readonly name = PART;
  readonly #options: SenderAuthOptions;
  readonly #closing = new AbortController();

  constructor(options: SenderAuthOptions) {
    this.#options = options;
  }

  async scan(task: ScanTask, signal: AbortSignal): Promise<readonly Finding[]> {
    // Our own users' mail is signed later, by whoever sends it on.
    if (task.entry.session.direction === 'outgoing') return [];
    try {
      return findingsOf(await withEither(signal, this.#closing.signal, either => this.#facts(task, either)));
    } catch (error) {
      return [unavailable(PART, errorText(error))];
    }
  }

  async health(): Promise<Health> {
    if (this.#closing.signal.aborted) return { part: PART, level: 'down', says: 'closed', next: '' };
    return { ...this.#options.threads.health(), part: PART };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'));
    await this.#options.threads.close();
  }

  async #facts(task: ScanTask, signal: AbortSignal): Promise<AuthFacts> {
    try {
      return await this.#authenticate(task, signal);
    } catch (error) {
      // Another message on the same thread had it killed, or this one had: a second try tells.
      if (error instanceof ThreadLost && !signal.aborted) return this.#authenticate(task, signal);
      throw error;
    }
  }

  async #authenticate(task: ScanTask, signal: AbortSignal): Promise<AuthFacts> {
    signal.throwIfAborted();
    const { entry } = task;
    const { threads, resolver, maxLookups, dnsDeadlineMs, hostname, maxSignatures, minRsaBits } = this.#options;
    const until = performance.now() + dnsDeadlineMs;
    const foreseen = await foresee(task, { resolver, maxLookups, deadlineMs: dnsDeadlineMs, signal });
    signal.throwIfAborted();
    const left = { maxLookups: maxLookups - foreseen.size, deadlineMs: Math.max(0, until - performance.now()) };
    const { port1, port2 } = new MessageChannel();
    const dnsEnd = new AbortController();
    const killer = new AbortController();
    const onAbort = () => {
      dnsEnd.abort(signal.reason);
      const killTimer = setTimeout(() => killer.abort(signal.reason), GRACE_MS);
      run.catch(() => undefined).finally(() => clearTimeout(killTimer));
    };
    serveDns(port1, { resolver, ...left, signal: dnsEnd.signal });
    const { session, envelope, content } = entry;
    const input: AuthTask = {
      content,
      clientAddress: isPublicAddress(session.clientAddress) ? session.clientAddress : null,
      helo: session.helo,
      mailFrom: envelope.mailFrom.address?.text ?? '',
      hostname,
      maxSignatures,
      minRsaBits,
      foreseen,
      dns: port2,
    };
    const run = threads.run('authenticate', input, { signal: killer.signal, transfer: [port2] }) as Promise<AuthFacts>;
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await orAborted(signal, run);
    } finally {
      // The port stays for a task that is to end by itself.
      run.catch(() => undefined).finally(() => port1.close());
      signal.removeEventListener('abort', onAbort);
    }
  }
}
