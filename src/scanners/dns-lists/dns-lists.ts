// Asks DNS lists for the client's address and for the domains of a message. A Scanner: it never rejects. A list is asked
// only while it passes its own test, for a list that has ended, or a resolver that is refused, answers with nonsense.

import { type Finding, hit, unavailable } from '../../mail/finding.ts';
import type { Health, Scanner, ScanTask } from '../../mail/ports.ts';
import { orAborted, withDeadline, withEither } from '../../platform/deadline.ts';
import type { Resolver } from '../../platform/dns.ts';
import { errorText, type Log } from '../../platform/log.ts';
import { askList, type ListAnswer, type ListOptions, type ListState, testList } from './list.ts';
import { type Subject, subjectsOf } from './subjects.ts';

export interface DnsListsOptions {
  readonly lists: readonly ListOptions[];
  readonly resolver: Resolver;
  readonly log: Log;
  /** Queries one message may cause. */
  readonly maxQueries: number;
  /** Domains that are never asked: the site's own. */
  readonly ownDomains: readonly string[];
  /** For the test of all lists. */
  readonly testDeadlineMs: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export interface DnsLists extends Scanner {
  /** Tests all lists: at start and every ten minutes, by main.ts. Never rejects; one test at a time. */
  testLists(): Promise<void>;
}

/** A list without an answer is tested again by the mail that comes, but not by all of it. */
const RETEST_DOWN_MS = 60_000;
/** Said in one hit, the others are counted. */
const SHOWN_MAX = 3;
const PART = 'dns-lists';

export function createDnsLists(options: DnsListsOptions): DnsLists {
  return new Lists(options);
}

interface Entry {
  readonly list: ListOptions;
  state: ListState;
}

interface Question {
  readonly entry: Entry;
  readonly subject: Subject;
}

class Lists implements DnsLists {
  readonly name = PART;
  readonly #options: DnsListsOptions;
  readonly #entries: readonly Entry[];
  readonly #own: ReadonlySet<string>;
  readonly #closing = new AbortController();
  #test: Promise<void> | null = null;
  #testedAt = 0;

  constructor(options: DnsListsOptions) {
    this.#options = options;
    this.#entries = options.lists.map(list => ({ list, state: { kind: 'untested' } }));
    this.#own = new Set(options.ownDomains.map(domain => domain.toLowerCase()));
  }

  testLists(): Promise<void> {
    this.#test ??= this.#testAll().finally(() => {
      this.#test = null;
    });
    return this.#test;
  }

  async scan(task: ScanTask, signal: AbortSignal): Promise<readonly Finding[]> {
    try {
      this.#closing.signal.throwIfAborted();
      const subjects = subjectsOf(task, this.#own);
      if (subjects.length === 0 || this.#entries.length === 0) return [];
      return await withEither(signal, this.#closing.signal, async either => {
        await orAborted(either, this.#ready());
        return this.#ask(subjects, either);
      });
    } catch (error) {
      return [unavailable(PART, errorText(error))];
    }
  }

  async health(): Promise<Health> {
    const says = (text: string, next = '') => ({ part: PART, says: text, next });
    if (this.#closing.signal.aborted) return { ...says('closed'), level: 'down' };
    const off = this.#entries.filter(({ state }) => state.kind !== 'fit');
    if (off.length === 0) return { ...says(`${this.#entries.length} lists pass their test`), level: 'ok' };
    const reasons = off.map(({ list, state }) => `${list.zone} ${'reason' in state ? state.reason : 'not yet tested'}`);
    const next = off.every(({ state }) => state.kind === 'down')
      ? 'check the name servers (dns.servers, or /etc/resolv.conf)'
      : 'use a resolver of your own that asks the lists directly, or take the list out of scanners.dnsLists';
    const isAll = off.length === this.#entries.length;
    return { ...says(`not asked: ${reasons.join('; ')}`.slice(0, 1000), next), level: isAll ? 'down' : 'degraded' };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'));
    await this.#test;
  }

  /** The first message waits for the first test; a list that gave no answer is tested again beside later ones. */
  async #ready(): Promise<void> {
    if (this.#entries.some(({ state }) => state.kind === 'untested')) return this.testLists();
    const isDown = this.#entries.some(({ state }) => state.kind === 'down');
    if (isDown && this.#now() - this.#testedAt >= RETEST_DOWN_MS) void this.testLists();
  }

  async #testAll(): Promise<void> {
    const { resolver, testDeadlineMs } = this.#options;
    this.#testedAt = this.#now();
    await Promise.all(
      this.#entries.map(async entry => {
        const state = await withDeadline(
          testDeadlineMs,
          entry.list.zone,
          signal => testList(entry.list, { resolver, signal }),
          this.#closing.signal,
        ).catch(error => ({ kind: 'down', reason: errorText(error) }) as const);
        this.#turn(entry, state);
      }),
    );
  }

  async #ask(subjects: readonly Subject[], signal: AbortSignal): Promise<readonly Finding[]> {
    const fit = this.#entries.filter(({ state }) => state.kind === 'fit');
    const all = fit.flatMap(entry =>
      subjects.filter(({ kind }) => kind === entry.list.kind).map(subject => ({ entry, subject })),
    );
    // The budget is shared: the first subjects of every list before the last ones of any.
    all.sort((a, b) => subjects.indexOf(a.subject) - subjects.indexOf(b.subject));
    const silent = new Set(this.#entries.filter(({ state }) => state.kind === 'down').map(({ list }) => list.zone));
    const seen = new Map<string, string[]>();
    await Promise.all(
      all.slice(0, this.#options.maxQueries).map(async question => {
        const answer = await this.#answer(question, signal);
        if (answer === null) silent.add(question.entry.list.zone);
        else note(seen, question, answer);
      }),
    );
    const hits = [...seen].sort().map(([symbol, texts]) => hit(symbol, shown(texts)));
    if (silent.size === 0) return hits;
    return [...hits, unavailable(PART, `no answer from ${[...silent].sort().join(', ')}`)];
  }

  /** null when DNS gave no answer. */
  async #answer({ entry, subject }: Question, signal: AbortSignal): Promise<ListAnswer | null> {
    try {
      const answer = await askList(entry.list, subject.value, { resolver: this.#options.resolver, signal });
      if (answer.kind === 'unfit') this.#turn(entry, answer);
      return answer;
    } catch {
      return null;
    }
  }

  #turn(entry: Entry, state: ListState): void {
    const before = entry.state.kind;
    entry.state = state;
    if (before === state.kind || this.#closing.signal.aborted) return;
    const fields = { list: entry.list.zone, state: state.kind, reason: 'reason' in state ? state.reason : '' };
    if (state.kind === 'fit') this.#options.log.info(fields, 'DNS list passes its test');
    else this.#options.log.warn(fields, 'DNS list is not asked until it passes its test');
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

function note(seen: Map<string, string[]>, { entry, subject }: Question, answer: ListAnswer): void {
  if (answer.kind !== 'listed') return;
  for (const symbol of answer.symbols) {
    const texts = seen.get(symbol) ?? [];
    texts.push(`${subject.value} (${subject.where}) on ${entry.list.zone}: ${answer.answers}`);
    seen.set(symbol, texts);
  }
}

function shown(texts: readonly string[]): string {
  const sorted = [...texts].sort();
  const more = sorted.length - SHOWN_MAX;
  return `${sorted.slice(0, SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
