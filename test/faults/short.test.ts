// The fault run in its short form: every failpoint fires once, every part fails in each of its ways once, and Postern is
// killed at a few places of a message's way. The long form: npm run faults -- --minutes N

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chanceOf } from '../support/chance.ts';
import { testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { type Fault, failpointFault, NAMES, PART_FAULTS } from './kinds.ts';
import { faultRun } from './run.ts';

const SEED = Number(process.env['POSTERN_FUZZ_SEED'] ?? 1);
/** How many at a time: none hides the way to the others for long. */
const AT_ONCE = 12;
/** The slowest machine brings a message by each place within this. */
const REACHED_WITHIN_MS = 60_000;
/** Between what is safe and its reply, and between the next hop's word and ours: where mail could be lost or doubled. */
const KILLED_AT = ['hop.answer', 'hold.row', 'release.answer'] as const;

test('I1: load under faults of every part and at every failpoint: four views agree and nothing is lost', async t => {
  if (!needs(t, 'redis-server', 'unbound')) return;
  t.diagnostic(`seed ${SEED}`);
  const folder = testFolder(t, 'faults');
  const figures = await faultRun(folder, {
    seed: SEED,
    steps: steps()[Symbol.iterator](),
    senders: 12,
    faultMs: 150,
    roundMs: Number.POSITIVE_INFINITY,
    rounds: 1,
    say: line => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(figures.problems, []);
  assert.equal(figures.lost, 0);
  assert.deepEqual(figures.missed, {}, 'every fault came about');
  for (const state of ['relayed', 'released', 'discarded', 'refused'] as const) {
    assert.ok((figures.states[state] ?? 0) > 0, `some were ${state}`);
  }
});

function* steps(): Generator<readonly Fault[], void> {
  const left = NAMES.map(name => failpointFault(name, 'throw', REACHED_WITHIN_MS));
  while (left.length > 0) yield left.splice(0, AT_ONCE);
  const parts = shuffled(PART_FAULTS.filter(({ kind }) => kind !== 'Postern killed'));
  while (parts.length > 0) yield parts.splice(0, 3);
  for (const name of KILLED_AT) yield [failpointFault(name, 'kill', REACHED_WITHIN_MS)];
}

function shuffled<T>(list: readonly T[]): T[] {
  const chance = chanceOf(SEED);
  return list
    .map(item => ({ item, at: chance.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
