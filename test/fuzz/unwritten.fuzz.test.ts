// Records that wait for a database which fails, hangs, recovers and says nothing of what it did, in any order, with the
// end at any moment: the last record of each message is written or logged as never recorded, nothing is written twice, a
// later record is never followed by an earlier one, no more are kept than may be, and after the end nothing moves.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { Unwritten } from '../../src/ledger/unwritten.ts';
import type { LedgerRecord } from '../../src/mail/ports.ts';
import { silentLog } from '../../src/platform/log.ts';
import { CommitUnknown, DatabaseTrouble, failureError } from '../../src/store/failure.ts';
import { compiled, sqliteQueries } from '../../src/store/queries.ts';
import type { Store } from '../../src/store/store.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { ledgerRecord, newId } from '../support/sample-record.ts';

const ROUNDS = rounds(400);
const STEPS = 40;
const KEPT_MAX = 1000;

/** What a write can meet. `silent`: committed, and nobody says so. `lost`: neither. `bad`: of this record alone. */
type Fate = 'good' | 'trouble' | 'silent' | 'lost' | 'bad';
const FATES: readonly Fate[] = ['good', 'good', 'good', 'trouble', 'silent', 'lost', 'bad'];

const QUERIES = sqliteQueries();
/** Versions of one message differ in their time. */
const versionOf = (id: string, endedAt: unknown) => `${id} ${String(endedAt)}`;

/** A table with one row for each id, and writes that wait until they are told their fate. */
class World {
  readonly rows = new Map<string, number>();
  readonly waiting: ((fate: Fate) => void)[] = [];
  readonly recorded: string[] = [];
  readonly never: string[] = [];
  isTroubled = false;
  isReadable = true;
  writes = 0;
  readonly store: Store = {
    write: build => this.#write(build(QUERIES).map(compiled)[0]?.parameters ?? []),
    read: async build => this.#read(String(compiled(build(QUERIES)).parameters[0])) as never,
    trouble: () => (this.isTroubled ? { since: 0, says: 'the test says so', reply: 'notReady' } : null),
    health: () => assert.fail('nobody asks'),
    close: () => assert.fail('not ours'),
  };
  readonly log = {
    ...silentLog(),
    error: (fields: object, message: string) => {
      if (message === 'never recorded' && 'id' in fields && 'reply' in fields) this.never.push(String(fields.reply));
    },
  };

  async #write(parameters: readonly unknown[]): Promise<readonly number[]> {
    this.writes++;
    const id = String(parameters[0]);
    const endedAt = Number(parameters.find(one => typeof one === 'number' && one >= 1_000_000 && one < 2_000_000));
    const fate = await new Promise<Fate>(resolve => this.waiting.push(resolve));
    if (fate === 'trouble') throw new DatabaseTrouble('unknownError', 'locked');
    if (fate === 'lost') throw new CommitUnknown('no answer');
    if (fate === 'bad') throw failureError({ kind: 'other', says: 'too many words' });
    if (this.rows.has(id)) throw failureError({ kind: 'other', says: 'UNIQUE constraint failed: messages.id' });
    this.rows.set(id, endedAt);
    this.recorded.push(versionOf(id, endedAt));
    if (fate === 'silent') throw new CommitUnknown('no answer');
    return [1];
  }

  #read(id: string): readonly object[] {
    if (!this.isReadable) throw new DatabaseTrouble('unknownError', 'cannot be read');
    const endedAt = this.rows.get(id);
    return endedAt === undefined ? [] : [{ ended_at: endedAt, id }];
  }
}

/** The reply names the version, for the log. */
function recordOf(id: ReturnType<typeof newId>, version: number): LedgerRecord {
  const endedAt = 1_000_000 + version;
  return { ...ledgerRecord({ id, endedAt, words: versionOf(id, endedAt) }), startedAt: 0 };
}

/** All that can go on without us has. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve));
}

async function run(t: TestContext, { below, pick, next }: Chance): Promise<number> {
  const world = new World();
  const unwritten = new Unwritten(world.store, world.log);
  const ids = Array.from({ length: 1 + below(5) }, () => newId());
  const last = new Map<string, string>();
  let version = 0;
  let closing: Promise<void> | undefined;
  const keep = () => {
    const record = recordOf(pick(ids), ++version);
    last.set(record.id, record.reply);
    unwritten.keep(record, new Error('the test says so'));
  };
  for (let step = 0; step < STEPS; step++) {
    const what = next();
    if (what < 0.3) keep();
    else if (what < 0.7) world.waiting.shift()?.(pick(FATES));
    else if (what < 0.85) t.mock.timers.tick(1000);
    else if (what < 0.9) world.isTroubled = !world.isTroubled;
    else if (what < 0.95) world.isReadable = !world.isReadable;
    else if (step > STEPS / 2) closing ??= unwritten.close();
    await settled();
    assert.ok(world.waiting.length <= 1, 'two writes at once');
    assert.ok(unwritten.count <= ids.length);
  }
  closing ??= unwritten.close();
  let isOver = false;
  void closing.then(() => {
    isOver = true;
  });
  for (let i = 0; !isOver; i++) {
    assert.ok(i < 100, 'close() never ends');
    world.waiting.shift()?.(pick(FATES));
    await settled();
  }
  // What comes now is logged, and nothing moves any more.
  const { writes } = world;
  keep();
  assert.equal(unwritten.count, 0);
  t.mock.timers.tick(100_000);
  await settled();
  assert.equal(world.writes, writes, 'written after the end');
  for (const [id, said] of last) {
    const isThere = versionOf(id, world.rows.get(id)) === said;
    assert.ok(isThere || world.never.includes(said), `${said} is nowhere`);
  }
  assert.equal(new Set(world.recorded).size, world.recorded.length, 'written twice');
  assert.equal(world.recorded.length, world.rows.size);
  return world.recorded.length;
}

test(`${ROUNDS} databases that come and go: every last record is written once or in the log`, async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const luck = chance(t);
  let recorded = 0;
  for (let round = 0; round < ROUNDS; round++) recorded += await run(t, luck);
  assert.ok(recorded > ROUNDS / 2, `only ${recorded} records were written: the worlds are too bad to show anything`);
});

test('a flood of messages and of later records keeps no more than may be, and each one beyond is in the log', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { below, next } = chance(t);
  const world = new World();
  world.isTroubled = true;
  const unwritten = new Unwritten(world.store, world.log);
  const ids: ReturnType<typeof newId>[] = [];
  const last = new Map<string, string>();
  for (let version = 1; version <= 4 * KEPT_MAX; version++) {
    const old = ids[below(ids.length)];
    const id = next() < 0.5 || old === undefined ? newId() : old;
    if (id !== old) ids.push(id);
    const record = recordOf(id, version);
    last.set(id, record.reply);
    unwritten.keep(record, new Error('locked'));
    assert.ok(unwritten.count <= KEPT_MAX);
  }
  world.isTroubled = false;
  const closing = unwritten.close();
  let isOver = false;
  void closing.then(() => {
    isOver = true;
  });
  while (!isOver) {
    world.waiting.shift()?.('good');
    await settled();
  }
  const never = new Set(world.never);
  for (const [id, said] of last) assert.ok(versionOf(id, world.rows.get(id)) === said || never.has(said), said);
  assert.equal(world.rows.size, KEPT_MAX);
});
