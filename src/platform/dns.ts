// The one way Postern asks DNS: cached, coalesced, bounded in lookups and time. Used by sender-auth and dns-lists and by
// whoever else needs a name. Errors have the codes of node:dns (ENOTFOUND, ENODATA, ETIMEOUT, ESERVFAIL …), and no answer
// is ever invented: what cannot be asked rejects.

import { Resolver as NodeResolver } from 'node:dns/promises';

import { orAborted, withDeadline } from './deadline.ts';
import { DnsCache } from './dns-cache.ts';

/** What each record type answers with. */
export interface DnsRecords {
  readonly A: readonly string[];
  readonly AAAA: readonly string[];
  readonly CNAME: readonly string[];
  readonly MX: readonly { readonly exchange: string; readonly priority: number }[];
  readonly NS: readonly string[];
  readonly PTR: readonly string[];
  /** One record is a list of strings, to be joined. */
  readonly TXT: readonly (readonly string[])[];
}

export type DnsType = keyof DnsRecords;

export interface Resolver {
  /** Rejects with DnsError, or with the signal's reason when it fires first. */
  resolve<T extends DnsType>(name: string, type: T, signal?: AbortSignal): Promise<DnsRecords[T]>;
}

/**
 * ENOTFOUND: no such name. ENODATA: no such record. Those two are answers; the others are failures, of which EBADNAME
 * (no DNS name at all) stays one. ECANCELLED: too many lookups at once, or closed.
 */
export class DnsError extends Error {
  override readonly name = 'DnsError';
  readonly code: string;

  constructor(code: string, what: string, options?: { cause?: unknown }) {
    super(`${what}: ${code}`, options);
    this.code = code;
  }
}

export interface DnsOptions {
  /** `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`; the system's own where empty. */
  readonly servers: readonly string[];
  /** Milliseconds for one lookup with all its repetitions, 5000 unless told. */
  readonly deadlineMs?: number;
  /** Lookups under way at once; as many as eight times more may wait. 200 unless told. */
  readonly maxInFlight?: number;
  /** 20,000 unless told. */
  readonly maxEntries?: number;
  /** Size of names and answers in the cache, 16 MiB unless told. */
  readonly maxCacheBytes?: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export interface DnsStats {
  /** Calls of `resolve`. */
  readonly asked: number;
  /** Of those, answered by the cache. */
  readonly cached: number;
  /** Of those, joined to a lookup that was under way. */
  readonly joined: number;
  /** Lookups sent that ended in an answer, ENOTFOUND and ENODATA among them. */
  readonly answered: number;
  /** Lookups sent that ended in a failure. */
  readonly failed: number;
  /** Not asked because too many were under way. */
  readonly refused: number;
  readonly entries: number;
  readonly cacheBytes: number;
}

/** Seconds. Node tells the time to live of A and AAAA only; the rest is kept five minutes. */
const KEEP_DEFAULT = 300;
const KEEP_MAX = 3600;
/** ENOTFOUND and ENODATA: RFC 2308 wants the SOA's number, which Node does not tell. */
const KEEP_NEGATIVE = 60;
/** A domain whose servers are dead is not asked again by each of the ten messages that name it. */
const KEEP_FAILURE = 5;
/** RFC 1035 2.3.4, without the root's dot. */
const NAME_MAX = 253;
/** Printable ASCII but the backslash, which c-ares reads as an escape; labels of 1 to 63 octets. */
const NAME = /^(?:[!-\-/-[\]-~]{1,63}\.)*[!-\-/-[\]-~]{1,63}$/;
/** Codes that are an answer: there is none. */
const NEGATIVE = new Set(['ENOTFOUND', 'ENODATA']);
/** So many of the last lookups are kept in mind for health. */
const REMEMBERED = 20;

/** True when the answer is that there is none, and not that nobody could be asked. */
export function isNoRecord(error: unknown): boolean {
  return error instanceof DnsError && (NEGATIVE.has(error.code) || error.code === 'EBADNAME');
}

/** As `Health` of src/mail, which this folder does not know. */
export interface DnsHealth {
  readonly part: string;
  readonly level: 'ok' | 'degraded' | 'down';
  readonly says: string;
  readonly next: string;
}

/** An answer or a failure, as the cache keeps it. */
type Outcome = { readonly records: DnsRecords[DnsType] } | { readonly code: string };

export class CachedResolver implements Resolver {
  readonly #node: NodeResolver;
  readonly #cache: DnsCache<Outcome>;
  readonly #underWay = new Map<string, Promise<Outcome>>();
  readonly #waiting: (() => void)[] = [];
  readonly #deadlineMs: number;
  readonly #maxInFlight: number;
  readonly #counts = { asked: 0, cached: 0, joined: 0, answered: 0, failed: 0, refused: 0 };
  /** The last lookups sent: did they end in an answer? */
  readonly #recent: boolean[] = [];
  #inFlight = 0;
  #lastFailure = '';
  #isClosed = false;

  constructor(options: DnsOptions) {
    this.#deadlineMs = options.deadlineMs ?? 5000;
    this.#maxInFlight = options.maxInFlight ?? 200;
    // c-ares asks each server `tries` times and doubles the wait; our own deadline ends what is left.
    this.#node = new NodeResolver({ timeout: Math.max(200, Math.floor(this.#deadlineMs / 3)), tries: 2 });
    if (options.servers.length > 0) this.#node.setServers(options.servers);
    this.#cache = new DnsCache({
      maxEntries: options.maxEntries ?? 20_000,
      maxBytes: options.maxCacheBytes ?? 16 * 1024 * 1024,
      now: options.now ?? Date.now,
    });
  }

  async resolve<T extends DnsType>(name: string, type: T, signal?: AbortSignal): Promise<DnsRecords[T]> {
    signal?.throwIfAborted();
    this.#counts.asked += 1;
    const asked = name === '.' ? name : name.replace(/(?<=[^.])\.$/, '').toLowerCase();
    const what = `${type} ${asked.slice(0, 100)}`;
    if (!isName(asked)) throw new DnsError('EBADNAME', `${type} of a name that is none`);
    if (this.#isClosed) throw new DnsError('ECANCELLED', what);
    const lookup = this.#outcome(asked, type);
    const outcome = await (signal === undefined ? lookup : orAborted(signal, lookup));
    if ('code' in outcome) throw withoutStack(outcome.code, what);
    // A copy: mailauth sorts what it gets in place.
    return outcome.records.map(copied) as DnsRecords[T];
  }

  stats(): DnsStats {
    return { ...this.#counts, entries: this.#cache.entries, cacheBytes: this.#cache.bytes };
  }

  health(): DnsHealth {
    const failed = this.#recent.filter(isAnswer => !isAnswer).length;
    const { asked, cached } = this.#counts;
    const next = 'check the name servers (setting dns.servers, or /etc/resolv.conf)';
    const last = `last failure: ${this.#lastFailure}`;
    if (failed > 0 && failed === this.#recent.length && failed >= Math.min(3, REMEMBERED)) {
      return { part: 'dns', level: 'down', says: `the last ${failed} lookups had no answer; ${last}`, next };
    }
    if (failed > REMEMBERED / 2) {
      const says = `${failed} of the last ${this.#recent.length} lookups had no answer; ${last}`;
      return { part: 'dns', level: 'degraded', says, next };
    }
    const share = asked === 0 ? '' : `, ${Math.round((100 * cached) / asked)}% from the cache`;
    return { part: 'dns', level: 'ok', says: `${asked} lookups${share}`, next: '' };
  }

  /** What is under way rejects with ECANCELLED. */
  close(): void {
    this.#isClosed = true;
    this.#node.cancel();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #outcome(name: string, type: DnsType): Promise<Outcome> {
    const key = `${type} ${name}`;
    const kept = this.#cache.get(key);
    if (kept !== undefined) {
      this.#counts.cached += 1;
      return kept;
    }
    const joined = this.#underWay.get(key);
    if (joined !== undefined) {
      this.#counts.joined += 1;
      return joined;
    }
    // Not tied to a caller's signal: others may have joined, and the answer is worth keeping.
    const lookup = this.#lookUp(name, type).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, lookup);
    return lookup;
  }

  async #lookUp(name: string, type: DnsType): Promise<Outcome> {
    if (!(await this.#turn()) || this.#isClosed) {
      this.#counts.refused += 1;
      return { code: 'ECANCELLED' };
    }
    try {
      const { records, ttl } = await withDeadline(this.#deadlineMs, 'dns', () => this.#ask(name, type));
      this.#note(true);
      return this.#keep(`${type} ${name}`, { records }, ttl);
    } catch (error) {
      const code = codeOf(error);
      const isNegative = NEGATIVE.has(code);
      if (code !== 'EBADNAME') this.#note(isNegative, `${code} for ${type} ${name}`);
      return this.#keep(`${type} ${name}`, { code }, isNegative ? KEEP_NEGATIVE : KEEP_FAILURE);
    } finally {
      // The place goes to the next in line; only with nobody waiting does it become free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight -= 1;
      else next();
    }
  }

  async #ask(name: string, type: DnsType): Promise<{ records: DnsRecords[DnsType]; ttl: number }> {
    if (type === 'A' || type === 'AAAA') {
      const ask = type === 'A' ? this.#node.resolve4(name, { ttl: true }) : this.#node.resolve6(name, { ttl: true });
      const found = await ask;
      const ttl = Math.min(KEEP_MAX, ...found.map(record => record.ttl));
      return { records: found.map(record => record.address), ttl };
    }
    if (type === 'MX') {
      const found = await this.#node.resolveMx(name);
      return { records: found.map(({ exchange, priority }) => ({ exchange, priority })), ttl: KEEP_DEFAULT };
    }
    return { records: (await this.#node.resolve(name, type)) as DnsRecords[DnsType], ttl: KEEP_DEFAULT };
  }

  #keep(key: string, outcome: Outcome, ttlSeconds: number): Outcome {
    if (!this.#isClosed) this.#cache.set(key, outcome, { ttlMs: ttlSeconds * 1000, bytes: sizeOf(outcome) });
    return outcome;
  }

  /** False when too many wait already, or all is over. */
  async #turn(): Promise<boolean> {
    if (this.#inFlight < this.#maxInFlight) {
      this.#inFlight += 1;
      return true;
    }
    if (this.#waiting.length >= this.#maxInFlight * 8) return false;
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve);
    });
    return true;
  }

  #note(isAnswer: boolean, failure = ''): void {
    this.#counts[isAnswer ? 'answered' : 'failed'] += 1;
    if (!isAnswer) this.#lastFailure = failure;
    this.#recent.push(isAnswer);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
  }
}

/** Every message has several names that are not there: a stack for each, over awaits, costs more than the question. */
function withoutStack(code: string, what: string): DnsError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new DnsError(code, what);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function isName(name: string): boolean {
  return name === '.' || (name.length <= NAME_MAX && NAME.test(name));
}

function codeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'DeadlinePassed') return 'ETIMEOUT';
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' && code !== '' ? code : 'ESERVFAIL';
}

function copied(record: DnsRecords[DnsType][number]): typeof record {
  if (typeof record === 'string') return record;
  return Array.isArray(record) ? [...record] : { ...record };
}

function sizeOf(outcome: Outcome): number {
  return 'code' in outcome ? outcome.code.length : JSON.stringify(outcome.records).length;
}
