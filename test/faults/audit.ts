// The audit of the fault run: what senders were answered, what the next hop took, what is held and what the books say must
// agree, message by message. Read from outside; nothing of the product's own reading is used. Says what is wrong, and
// explains each copy beyond the first.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { heldFiles } from '../support/books.ts';
import type { Arrival } from './hop-process.ts';
import { rest, type Sent } from './senders.ts';

/** All that is known from outside about the time since the last audit. */
export interface Evidence {
  readonly data: string;
  readonly sent: readonly Sent[];
  readonly arrivals: readonly Arrival[];
  /** Epoch milliseconds at which Postern was killed. */
  readonly kills: readonly number[];
  /** Copies a person sent again although the hop might have had them. */
  readonly forced: ReadonlySet<string>;
  /** The next hop has refused for good while it was told to. */
  readonly hopRefuses: boolean;
  /** Postern's log since the last audit. */
  readonly log: string;
}

export interface Audit {
  /** Answered with 250 and nowhere. */
  readonly lost: number;
  /** Everything that does not agree, in words. */
  readonly problems: readonly string[];
  /** Copies beyond the first by why they are there. */
  readonly doubles: Readonly<Record<string, number>>;
  /** Copies by their state in the books. */
  readonly states: Readonly<Record<string, number>>;
  /** Relayed and answered with 250, and without a row: the database could not be written before Postern was killed. */
  readonly unrecorded: number;
}

interface Row {
  readonly id: string;
  readonly copyId: string;
  readonly state: string;
  readonly sha256: string;
  readonly outcome: string;
}

interface Copy {
  readonly sent: Sent;
  readonly rcpt: string;
  readonly rows: readonly Row[];
  readonly arrivals: readonly Arrival[];
}

/** What three processes call now may differ by so much, milliseconds. */
const CLOCK_MS = 100;
/** A sender has seen the end of its connection, and the supervisor that of Postern. */
const SEEN_WITHIN_MS = 3000;

/** Of a message that was tried for minutes the last tries say enough. */
const TRIES_SHOWN = 4;

export function audit(evidence: Evidence): Audit {
  const books = new DatabaseSync(join(evidence.data, 'postern.db'), { readOnly: true, timeout: 10_000 });
  try {
    return new Auditor(evidence, books).result();
  } finally {
    books.close();
  }
}

class Auditor {
  readonly #evidence: Evidence;
  readonly #books: DatabaseSync;
  readonly #files: ReadonlyMap<string, string>;
  readonly #problems: string[] = [];
  readonly #doubles: Record<string, number> = {};
  readonly #states: Record<string, number> = {};
  #lost = 0;
  #unrecorded = 0;

  constructor(evidence: Evidence, books: DatabaseSync) {
    this.#evidence = evidence;
    this.#books = books;
    const names = heldFiles(join(evidence.data, 'quarantine')).filter(name => name.endsWith('.eml'));
    this.#files = new Map(names.map(name => [name.slice(-'.eml'.length - 18, -'.eml'.length), name]));
  }

  result(): Audit {
    const { arrivals, sent } = this.#evidence;
    const byKey = Map.groupBy(arrivals, arrival => arrival.key);
    for (const one of sent) {
      const came = byKey.get(one.letter.key) ?? [];
      byKey.delete(one.letter.key);
      for (const arrival of came) this.#sameBytes(one, arrival);
      for (const rcpt of one.letter.rcpt) {
        const rows = this.#rowsFor(rcpt);
        this.#copy({ sent: one, rcpt, rows, arrivals: came.filter(arrival => arrival.rcpt.includes(rcpt)) });
      }
    }
    for (const [key] of byKey) this.#problems.push(`the next hop has a message that nobody sent: ${key}`);
    this.#leftovers();
    const [problems, doubles, states] = [this.#problems, this.#doubles, this.#states];
    return { lost: this.#lost, problems, doubles, states, unrecorded: this.#unrecorded };
  }

  #copy(copy: Copy): void {
    if (rest(copy.sent).includes(copy.rcpt)) this.#wrong(copy, 'no end of it was reached');
    for (const row of copy.rows) this.#row(copy, row);
    for (const arrival of copy.arrivals) this.#arrival(copy, arrival);
    this.#refusal(copy);
    const answered = copy.sent.tries.filter(({ reply, rcpt }) => reply.startsWith('250') && rcpt.includes(copy.rcpt));
    if (answered.length > 1) this.#wrong(copy, 'answered twice with 250');
    const [first] = answered;
    if (first !== undefined) this.#taken(copy, first.id);
    this.#explain(copy, first?.id ?? '');
  }

  /** I4: a row's state is an end, and true. */
  #row(copy: Copy, row: Row): void {
    this.#states[row.state] = (this.#states[row.state] ?? 0) + 1;
    const came = copy.arrivals.filter(arrival => arrival.id === row.id).length;
    switch (row.state) {
      case 'relayed':
        if (copy.sent.letter.kind === 'virus') this.#wrong(copy, `${row.id}: a virus was passed on`);
        if (came !== 1) this.#wrong(copy, `${row.id} is relayed, and ${came} times at the next hop`);
        return;
      case 'released':
        if (came === 0) this.#wrong(copy, `${row.id} is released, and not at the next hop`);
        return;
      case 'held':
        if (came > 0) this.#wrong(copy, `${row.id} is held, and at the next hop`);
        if (this.#heldDigest(row.id) !== copy.sent.letter.sha256)
          this.#wrong(copy, `${row.id}: held, with other bytes`);
        return;
      case 'unknown':
      case 'deleted':
        return;
      case 'discarded':
      case 'refused':
      case 'deferred':
      case 'abandoned':
        if (came > 0) this.#wrong(copy, `${row.id} is ${row.state}, and at the next hop`);
        return;
      default:
        this.#wrong(copy, `${row.id} is ${row.state}, which is no end`);
    }
  }

  #arrival(copy: Copy, arrival: Arrival): void {
    if (copy.rows.some(row => row.id === arrival.id)) return;
    const { kills, log } = this.#evidence;
    const { tries } = copy.sent;
    // Told, and not recorded: the database was away, and the log has kept it.
    const isLogged = tries.some(({ id }) => id === arrival.id) && log.includes(arrival.id);
    const wasKilled = tries.some(
      ({ reply, from, to }) =>
        reply === '' &&
        from <= arrival.at + CLOCK_MS &&
        kills.some(at => at >= arrival.at - CLOCK_MS && at <= to + SEEN_WITHIN_MS),
    );
    if (!isLogged && !wasKilled) this.#wrong(copy, `${arrival.id} is at the next hop, and not in the books`);
    if (copy.sent.letter.kind === 'virus') this.#wrong(copy, `${arrival.id}: a virus was passed on`);
  }

  /** I5: only a policy or the next hop refuses for good. */
  #refusal({ sent, rcpt }: Copy): void {
    const words = sent.refused.get(rcpt);
    if (words === undefined || this.#evidence.hopRefuses) return;
    const isRefusable = sent.letter.kind === 'virus' || sent.letter.kind === 'spam';
    if (!isRefusable) this.#problems.push(`${rcpt} was refused for good without a reason: ${words}`);
  }

  /** I1: what was answered with 250 is somewhere. */
  #taken(copy: Copy, id: string): void {
    const row = copy.rows.find(one => one.id === id);
    const isThere = copy.arrivals.some(arrival => arrival.id === id);
    if (row === undefined && isThere) {
      this.#unrecorded++;
      if (!this.#evidence.log.includes(id)) this.#wrong(copy, `${id}: answered with 250, in no book and no log`);
      return;
    }
    const isSafe = isThere || ['held', 'discarded', 'deleted'].includes(row?.state ?? '');
    if (isSafe) return;
    this.#lost++;
    this.#wrong(copy, `LOST: ${id} was answered with 250`);
  }

  #explain(copy: Copy, answeredId: string): void {
    const held = copy.rows.filter(row => row.state === 'held').map(row => row.id);
    const places = [...copy.arrivals.map(arrival => arrival.id), ...held];
    if (places.length < 2) return;
    const seen = new Set<string>();
    // The one that was answered is the one to be there; where none was, the first.
    const ordered = places.sort((a, b) => Number(b === answeredId) - Number(a === answeredId));
    for (const [index, id] of ordered.entries()) {
      const reason = whyTwice(copy, id, { isSameAgain: seen.has(id), forced: this.#evidence.forced });
      seen.add(id);
      if (index === 0) continue;
      if (reason === null) this.#wrong(copy, `${id} is one too many`);
      else this.#doubles[reason] = (this.#doubles[reason] ?? 0) + 1;
    }
  }

  /** After a restart in order: nothing in the spool, and in quarantine what is held. */
  #leftovers(): void {
    const spool = readdirSync(join(this.#evidence.data, 'spool'));
    if (spool.length > 0) this.#problems.push(`left in the spool: ${spool.slice(0, 5).join(', ')}`);
    const rows = this.#books
      .prepare(
        `SELECT DISTINCT i.message_id AS id FROM items i JOIN copies c ON c.copy_id = i.copy_id
         WHERE c.state IN ('held', 'releasing')`,
      )
      .all();
    const held = new Set(rows.map(row => String(row['id'])));
    for (const id of this.#files.keys())
      if (!held.has(id)) this.#problems.push(`a file in quarantine without a row: ${id}`);
    for (const id of held) if (!this.#files.has(id)) this.#problems.push(`held, and no file in quarantine: ${id}`);
    const open = this.#books.prepare(`SELECT count(*) AS n FROM copies WHERE state = 'releasing'`).get();
    if (open?.['n'] !== 0) this.#problems.push(`${open?.['n']} copies are still releasing`);
  }

  #sameBytes({ letter }: Sent, arrival: Arrival): void {
    if (arrival.sha256 !== letter.sha256)
      this.#problems.push(`I2: ${arrival.id} of ${letter.key} came with other bytes`);
  }

  #heldDigest(id: string): string {
    const name = this.#files.get(id);
    if (name === undefined) return '';
    const bytes = readFileSync(join(this.#evidence.data, 'quarantine', name));
    return createHash('sha256').update(bytes).digest('hex');
  }

  #rowsFor(rcpt: string): readonly Row[] {
    return this.#books
      .prepare(
        `SELECT m.id, c.copy_id, c.state, m.sha256, m.outcome FROM copies c JOIN messages m ON m.id = c.message_id
         WHERE c.rcpt_key = ? ORDER BY c.copy_id`,
      )
      .all(rcpt)
      .map(row => ({
        id: String(row['id']),
        copyId: String(row['copy_id']),
        state: String(row['state']),
        sha256: String(row['sha256']),
        outcome: String(row['outcome']),
      }));
  }

  #wrong({ sent, rcpt, rows, arrivals }: Copy, what: string): void {
    const tries = sent.tries.slice(-TRIES_SHOWN).map(({ reply, from, to }) => `${reply || '(nothing)'} ${from}..${to}`);
    const states = rows.map(row => `${row.copyId} ${row.state}`);
    const came = arrivals.map(arrival => `${arrival.id} ${arrival.at}`);
    this.#problems.push(`${rcpt} (${sent.letter.kind}): ${what}. Tries: ${tries}. Books: ${states}. Hop: ${came}`);
  }
}

/** null where nothing explains it. */
function whyTwice(
  { sent, rows }: Copy,
  id: string,
  { isSameAgain, forced }: { readonly isSameAgain: boolean; readonly forced: ReadonlySet<string> },
): string | null {
  const row = rows.find(one => one.id === id);
  const reply = sent.tries.find(one => one.id === id)?.reply ?? '';
  const said = reply === '' ? 'the sender had no answer' : `the sender was told ${reply.slice(0, 3)}`;
  if (row === undefined) return `the next hop took it, Postern was killed before it was recorded, ${said}`;
  if (isSameAgain) return forced.has(row.copyId) ? 'released once more by a person who said --force' : null;
  if (row.state === 'unknown') return `the next hop took it and its answer was not heard, ${said}`;
  if (reply.startsWith('250')) return null;
  if (row.state === 'relayed') return `the next hop took it, ${said}`;
  if (['held', 'released', 'deleted'].includes(row.state)) return `it was held, ${said}`;
  return null;
}
