// A next hop of one or more servers (port NextHop): which is tried first, which last, what they can do together.

import { MailError } from '../mail/error.ts';
import type { Health, HopCapabilities, HopTransaction, NextHop } from '../mail/ports.ts';
import { DeadlinePassed, withDeadline } from '../platform/deadline.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText } from '../platform/log.ts';
import { adviceFor } from './advice.ts';
import { HostFailed } from './hop-session.ts';
import { SmtpTransaction } from './hop-transaction.ts';
import type { ServerHost } from './host.ts';
import { HostPool, type Lease, PoolBusy } from './host-pool.ts';
import { BACK_OFF_MAX_MS, BACK_OFF_MIN_MS, type HopSettings } from './options.ts';

/** A health check waits no longer, whatever a transaction may: less than who asks for all parts together. */
const HEALTH_MS = 4000;

const NEXT_OURSELF =
  'nextHop must name the mail server behind this gateway: this name, address or port forward leads back to a listener of ours';

interface HostState {
  readonly pool: HostPool;
  capabilities: HopCapabilities | null;
  /** Tried last until then; epoch milliseconds. */
  failedUntil: number;
  backOffMs: number;
  /** Found to lead back here, and said so. */
  isOurself: boolean;
}

export class SmtpHop implements NextHop {
  readonly name: string;
  readonly oneRecipient: boolean;
  readonly #settings: HopSettings;
  readonly #states: readonly HostState[];
  #isClosed = false;

  constructor(hosts: readonly ServerHost[], settings: HopSettings) {
    this.name = hosts.map(host => host.name).join(', ');
    this.oneRecipient = hosts.some(host => host.kind === 'lmtp');
    this.#settings = settings;
    this.#states = hosts.map(host => ({
      pool: new HostPool(host, settings),
      capabilities: null,
      failedUntil: 0,
      backOffMs: 0,
      isOurself: false,
    }));
  }

  /** The least of all hosts seen so far: what each of them holds. */
  capabilities(): HopCapabilities | null {
    const seen = this.#states.flatMap(state => (state.capabilities === null ? [] : [state.capabilities]));
    if (seen.length === 0) return null;
    const sizes = seen.flatMap(({ sizeBytes }) => (sizeBytes === null ? [] : [sizeBytes]));
    return {
      sizeBytes: sizes.length === 0 ? null : Math.min(...sizes),
      eightBitMime: seen.every(each => each.eightBitMime),
      smtpUtf8: seen.every(each => each.smtpUtf8),
    };
  }

  async open(signal: AbortSignal): Promise<HopTransaction> {
    const lease = await this.#leaseInTime(signal, false);
    return new SmtpTransaction({
      lease,
      timeouts: this.#settings.timeouts,
      oneRecipient: this.oneRecipient,
      restMs: this.#settings.pool.restMs,
      take: (inner, { fresh }) => this.#leaseInTime(inner, fresh),
      onLost: (lost, failure) => this.#lost(lost, failure),
    });
  }

  async health(): Promise<Health> {
    const answers = await Promise.all(this.#states.map(state => this.#probe(state)));
    const bad = answers.filter(answer => answer !== null);
    // Hosts of one next hop may fail for two reasons: each has its own remedy.
    const advice = new Set(bad.map(error => (isOurself(error) ? NEXT_OURSELF : adviceFor(errorText(error)))));
    const next = [...advice].join('; ');
    const level = bad.length === 0 ? 'ok' : bad.length < answers.length ? 'degraded' : 'down';
    return {
      part: 'next hop',
      level,
      says: level === 'ok' ? `${this.name} answers` : bad.map(error => errorText(error)).join('; '),
      next: level === 'ok' ? '' : next,
    };
  }

  /** Idle connections say QUIT; those in use close when their transaction is released. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#states.map(state => state.pool.close()));
  }

  /** All waits below end with the signal: the deadline is not a race, in which a lease could get lost. */
  async #leaseInTime(signal: AbortSignal, fresh: boolean): Promise<Lease> {
    const { openMs } = this.#settings.timeouts;
    const control = new AbortController();
    const onOuter = () => control.abort(signal.reason);
    if (signal.aborted) onOuter();
    signal.addEventListener('abort', onOuter, { once: true });
    const onLate = () => control.abort(new DeadlinePassed(`${this.name}: no connection within ${openMs} ms`));
    const timer = setTimeout(onLate, openMs);
    try {
      return await this.#lease(control.signal, fresh);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onOuter);
    }
  }

  async #lease(signal: AbortSignal, fresh: boolean): Promise<Lease> {
    await failpoint('hop.open');
    if (this.#isClosed) throw new MailError('hopUnreachable', 'the next hop was closed');
    const failures: unknown[] = [];
    for (const state of this.#inOrder()) {
      try {
        const lease = await state.pool.take(signal, { fresh });
        if (!lease.isReused) this.#isWell(state, lease.session.capabilities);
        return lease;
      } catch (error) {
        failures.push(error);
        if (!(error instanceof PoolBusy) && !isGivenUp(signal)) this.#isIll(state, error);
        if (signal.aborted) break;
      }
    }
    // All places taken is our own limit; the hosts are well.
    const isBusy = failures.every(error => error instanceof PoolBusy);
    const reply = failures.some(isOurself) ? 'hopIsOurself' : isBusy ? 'busy' : 'hopUnreachable';
    throw new MailError(reply, failures.map(error => errorText(error)).join('; '));
  }

  /** As in the settings, but those that failed lately last, the one longest ago first. */
  #inOrder(): HostState[] {
    const now = Date.now();
    const rank = (state: HostState) => (state.failedUntil > now ? state.failedUntil : 0);
    return [...this.#states].sort((a, b) => rank(a) - rank(b));
  }

  /** The error, null where it is well. */
  async #probe(state: HostState): Promise<unknown> {
    try {
      const capabilities = await withDeadline(HEALTH_MS, state.pool.host.name, signal => state.pool.probe(signal));
      this.#isWell(state, capabilities);
      return null;
    } catch (error) {
      this.#isIll(state, error);
      return error;
    }
  }

  #isWell(state: HostState, { sizeBytes, eightBitMime, smtpUtf8 }: HopCapabilities): void {
    state.capabilities = { sizeBytes, eightBitMime, smtpUtf8 };
    state.failedUntil = 0;
    state.backOffMs = 0;
    state.isOurself = false;
  }

  #isIll(state: HostState, error: unknown): void {
    if (isOurself(error) && !state.isOurself) {
      state.isOurself = true;
      const fields = { host: state.pool.host.name, next: NEXT_OURSELF };
      this.#settings.log.error(fields, 'next hop: leads back to this gateway itself');
    }
    // Forty messages that meet the same outage are one failure.
    if (Date.now() < state.failedUntil) return;
    state.backOffMs = Math.min(BACK_OFF_MAX_MS, Math.max(BACK_OFF_MIN_MS, state.backOffMs * 2));
    state.failedUntil = Date.now() + state.backOffMs;
    const fields = { host: state.pool.host.name, error: errorText(error), backOffMs: state.backOffMs };
    this.#settings.log.warn(fields, 'next hop: host failed');
  }

  #lost(lease: Lease, failure: Error): void {
    const state = this.#states.find(each => each.pool.host === lease.host);
    if (state !== undefined) this.#isIll(state, failure);
  }
}

function isOurself(error: unknown): boolean {
  return error instanceof HostFailed && error.isOurself;
}

/** The caller went away, which says nothing about the host; its deadline passing does. */
function isGivenUp(signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  const { reason } = signal;
  return !(reason instanceof Error && (reason.name === 'DeadlinePassed' || reason.name === 'TimeoutError'));
}
