// What the gateway has done within the last minute, for `postern top`: messages by verdict and by what became of them,
// the time from dot to reply, and the last few. Told of each record the gateway writes; a fixed size, whatever comes.

import type { State } from '../mail/disposition.ts';
import type { Outcome } from '../mail/policy.ts';
import type { Ledger, LedgerRecord, Quarantine } from '../mail/ports.ts';

export interface RecentMessage {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** '' is the null sender. Both as the mail says: they go through safeLine before a terminal sees them. */
  readonly from: string;
  /** The first recipient. */
  readonly to: string;
  readonly recipients: number;
  /** null where it was not judged. */
  readonly verdict: Outcome | null;
  readonly state: State;
  readonly score: number | null;
  /** From the dot to the reply; null where no message came. */
  readonly ms: number | null;
}

export interface LastMinute {
  /** What the figures cover: less than a minute after the start. Seconds. */
  readonly seconds: number;
  /** Transactions that ended; `unjudged` had no verdict. */
  readonly verdicts: Readonly<Partial<Record<Outcome | 'unjudged', number>>>;
  readonly states: Readonly<Partial<Record<State, number>>>;
  /** From the dot to the reply, milliseconds, within 5 %. null where no message came. */
  readonly latency: { readonly count: number; readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** Newest first, at most RECENT_MAX. */
  readonly recent: readonly RecentMessage[];
}

const SECONDS = 60;
/** As many as a tall terminal shows. */
export const RECENT_MAX = 50;
/** RFC 5321 4.5.3.1.3 allows a path of 256 octets. */
const ADDRESS_MAX = 256;
/** Steps of the histogram: each is a tenth longer than the one before, from 1 ms to 100 s. */
const STEP = Math.log(1.1);
const STEPS = Math.ceil(Math.log(100_000) / STEP) + 1;

/** One second. */
interface Slot {
  second: number;
  readonly verdicts: Map<Outcome | 'unjudged', number>;
  readonly states: Map<State, number>;
  readonly times: Uint32Array;
}

export class Activity {
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #slots: readonly Slot[];
  readonly #recent: RecentMessage[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#startedAt = now();
    this.#slots = Array.from({ length: SECONDS }, () => ({
      second: -1,
      verdicts: new Map(),
      states: new Map(),
      times: new Uint32Array(STEPS),
    }));
  }

  /** One transaction has ended: its record is written, its reply is on its way. */
  seen(record: LedgerRecord): void {
    const at = this.#now();
    const [copy] = record.copies;
    if (copy === undefined) return;
    const verdict = record.verdict?.outcome ?? null;
    const { state } = copy.disposition;
    const ms = record.entry === null ? null : Math.max(0, at - record.entry.receivedAt);
    const slot = this.#slot(at);
    add(slot.verdicts, verdict ?? 'unjudged');
    add(slot.states, state);
    const step = ms === null ? null : stepOf(ms);
    if (step !== null) slot.times[step] = (slot.times[step] ?? 0) + 1;
    this.#recent.unshift({
      id: record.id,
      at,
      from: (record.mailFrom.address?.text ?? '').slice(0, ADDRESS_MAX),
      to: copy.recipient.address.text.slice(0, ADDRESS_MAX),
      recipients: record.copies.length,
      verdict,
      state,
      score: record.report?.score ?? null,
      ms,
    });
    if (this.#recent.length > RECENT_MAX) this.#recent.pop();
  }

  lastMinute(): LastMinute {
    const now = this.#now();
    const first = secondOf(now) - SECONDS;
    const verdicts = new Map<Outcome | 'unjudged', number>();
    const states = new Map<State, number>();
    const times = new Uint32Array(STEPS);
    for (const slot of this.#slots.filter(({ second }) => second > first)) {
      for (const [verdict, count] of slot.verdicts) add(verdicts, verdict, count);
      for (const [state, count] of slot.states) add(states, state, count);
      for (const [step, count] of slot.times.entries()) times[step] = (times[step] ?? 0) + count;
    }
    return {
      seconds: Math.min(SECONDS, Math.max(1, Math.ceil((now - this.#startedAt) / 1000))),
      verdicts: Object.fromEntries(verdicts),
      states: Object.fromEntries(states),
      latency: latencyOf(times),
      recent: [...this.#recent],
    };
  }

  #slot(at: number): Slot {
    const second = secondOf(at);
    // The ring has as many places as there are seconds: one of this second, or of a minute ago and free to be used.
    const slot = this.#slots[second % SECONDS];
    if (slot === undefined) throw new RangeError('no such second');
    if (slot.second !== second) {
      slot.second = second;
      slot.verdicts.clear();
      slot.states.clear();
      slot.times.fill(0);
    }
    return slot;
  }
}

/** The same ledger; what it has recorded is seen. */
export function watchedLedger(ledger: Ledger, activity: Activity): Ledger {
  return {
    notReady: () => ledger.notReady(),
    unknownBefore: entry => ledger.unknownBefore(entry),
    record: async record => {
      await ledger.record(record);
      activity.seen(record);
    },
    recordLater: (record, error) => {
      ledger.recordLater(record, error);
      activity.seen(record);
    },
  };
}

/** The same quarantine; what it has taken is seen. */
export function watchedHold(quarantine: Pick<Quarantine, 'hold'>, activity: Activity): Pick<Quarantine, 'hold'> {
  return {
    hold: async (record, stamp) => {
      await quarantine.hold(record, stamp);
      activity.seen(record);
    },
  };
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}

function add<K>(counts: Map<K, number>, key: K, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function stepOf(ms: number): number {
  return Math.min(STEPS - 1, Math.round(Math.log(Math.max(1, ms)) / STEP));
}

function latencyOf(times: Uint32Array): LastMinute['latency'] {
  const count = times.reduce((sum, one) => sum + one, 0);
  if (count === 0) return null;
  const at = (share: number) => {
    let step = 0;
    for (let below = times[0] ?? 0; below < count * share; below += times[step] ?? count) step += 1;
    return Math.round(Math.exp(step * STEP));
  };
  return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
