// The connections to one host: those in use, those waiting for the next message, and who waits for one.
// A connection is lent to one transaction at a time, and no other begins on it before an RSET was answered.

import { DeadlinePassed, withDeadline } from '../platform/deadline.ts';
import { type HopSession, HostFailed, openSession } from './hop-session.ts';
import type { ServerHost } from './host.ts';
import type { HopSettings } from './options.ts';

/** While no connection becomes free, later opens wait; the host is well, so this is no failure of it. */
export class PoolBusy extends Error {
  override readonly name = 'PoolBusy';
}

export interface Lease {
  readonly host: ServerHost;
  readonly session: HopSession;
  /** It has carried a transaction before, so it may be dead without our knowing. */
  readonly isReused: boolean;
  /**
   * Gives it back; `isClean` when the peer is between commands, `isOver` when its reply to the dot was the last, so that it
   * has nothing in mind any more (RFC 5321 4.1.1.4). May be called twice.
   */
  end(isClean: boolean, isOver?: boolean): void;
}

interface Kept {
  readonly session: HopSession;
  transactions: number;
}

/** For the RSET after a transaction, which nobody waits for. */
const RESET_MS = 5000;
/** null: a place is free, connect yourself. */
type Turn = (kept: Kept | null) => void;

/** After a failed TLS handshake in mode `may`: how long the host is not asked for TLS again. */
const CLEAR_MS = 300_000;

export class HostPool {
  readonly host: ServerHost;
  readonly #settings: HopSettings;
  readonly #idle = new Map<Kept, NodeJS.Timeout>();
  readonly #quitting = new Set<Promise<void>>();
  #turns: Turn[] = [];
  /** Connections that are there or being made: at most maxConnections. */
  #places = 0;
  #inClearUntil = 0;
  #isClosed = false;

  constructor(host: ServerHost, settings: HopSettings) {
    this.host = host;
    this.#settings = settings;
  }

  /** A connection, kept or new; `fresh`: new in any case. Throws HostFailed or PoolBusy. */
  async take(signal: AbortSignal, { fresh }: { fresh: boolean }): Promise<Lease> {
    const kept = fresh ? undefined : [...this.#idle.keys()].at(-1);
    if (kept !== undefined) return this.#lend(this.#wake(kept), true);
    const got = await this.#place(signal);
    if (got !== null && !fresh) return this.#lend(got, true);
    if (got !== null) void this.#quit(got, false);
    try {
      return this.#lend({ session: await this.#connect(signal), transactions: 0 }, false);
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** Connects beside the pool and says QUIT: is the host well, and what can it do? Throws HostFailed. */
  async probe(signal: AbortSignal): Promise<HopSession['capabilities']> {
    const session = await this.#connect(signal);
    this.#track(session.wire.quit());
    return session.capabilities;
  }

  /** Closes what is idle; what is in use closes when it is given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const kept of [...this.#idle.keys()]) void this.#quit(this.#wake(kept));
    await Promise.all(this.#quitting);
  }

  async #connect(signal: AbortSignal): Promise<HopSession> {
    if (this.#isClosed) throw new HostFailed(`${this.host.name}: closed`);
    const inClear = Date.now() < this.#inClearUntil;
    const session = await openSession(this.host, this.#settings, { signal, inClear });
    if (session.isFallback) this.#inClearUntil = Date.now() + CLEAR_MS;
    return session;
  }

  #lend(kept: Kept, isReused: boolean): Lease {
    kept.transactions++;
    let isEnded = false;
    return {
      host: this.host,
      session: kept.session,
      isReused,
      end: (isClean, isOver = false) => {
        if (isEnded) return;
        isEnded = true;
        const { failure, isInStep } = kept.session.wire;
        if (isClean && failure === null && isInStep) this.#track(this.#reset(kept, isOver));
        else this.#drop(kept);
      },
    };
  }

  /**
   * RSET also proves that no late or doubled reply is on its way, which the next MAIL would take for its own. Where the
   * server offers PIPELINING, and has answered a message, it goes with that MAIL: a packet and a reply less for each message.
   */
  async #reset(kept: Kept, isOver: boolean): Promise<void> {
    const { wire, capabilities } = kept.session;
    if (this.#isClosed || kept.transactions >= this.#settings.pool.maxMessages) return this.#quit(kept);
    if (capabilities.pipelining && isOver) {
      wire.resetWithNext();
    } else {
      const reply = await wire.command('RSET', { ms: RESET_MS }).catch(() => null);
      if (reply?.code !== 250 || wire.failure !== null) return this.#drop(kept);
      if (this.#isClosed) return this.#quit(kept);
    }
    const turn = this.#turns.shift();
    if (turn !== undefined) return turn(kept);
    const timer = setTimeout(() => void this.#quit(this.#wake(kept)), this.#settings.pool.idleMs);
    this.#idle.set(kept, timer);
    kept.session.wire.onFailure(() => {
      this.#wake(kept);
      this.#drop(kept);
    });
  }

  /** Out of the idle ones. */
  #wake(kept: Kept): Kept {
    clearTimeout(this.#idle.get(kept));
    this.#idle.delete(kept);
    kept.session.wire.onFailure(() => undefined);
    return kept;
  }

  /** A place for one more connection, or a kept one that became free meanwhile. */
  async #place(signal: AbortSignal): Promise<Kept | null> {
    const { maxConnections, waitMs } = this.#settings.pool;
    if (this.#places < maxConnections) {
      this.#places++;
      return null;
    }
    // An idle one gives way to a fresh one.
    const [idle] = this.#idle.keys();
    if (idle !== undefined) return this.#wake(idle);
    return this.#wait(waitMs, signal);
  }

  async #wait(waitMs: number, signal: AbortSignal): Promise<Kept | null> {
    let given: { kept: Kept | null } | undefined;
    let turn: Turn = () => undefined;
    const what = `${this.host.name}: all ${this.#settings.pool.maxConnections} connections are in use`;
    try {
      return await withDeadline(
        waitMs,
        what,
        () =>
          new Promise<Kept | null>(resolve => {
            turn = kept => {
              given = { kept };
              resolve(kept);
            };
            this.#turns.push(turn);
          }),
        signal,
      );
    } catch (error) {
      this.#turns = this.#turns.filter(other => other !== turn);
      // It came in the very moment we gave up.
      if (given?.kept) this.#drop(given.kept);
      else if (given !== undefined) this.#free();
      throw new PoolBusy(error instanceof DeadlinePassed ? error.message : what);
    }
  }

  #drop(kept: Kept): void {
    kept.session.wire.destroy('not used again');
    this.#free();
  }

  async #quit(kept: Kept, isFreed = true): Promise<void> {
    const quitting = kept.session.wire.quit();
    this.#track(quitting);
    await quitting;
    if (isFreed) this.#free();
  }

  /** A place has become free: the first who waits gets it. */
  #free(): void {
    const turn = this.#turns.shift();
    if (turn === undefined) this.#places--;
    else turn(null);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#quitting.delete(tracked));
    this.#quitting.add(tracked);
  }
}
