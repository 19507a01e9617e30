// The fault run in its short form: every failpoint fires once, every part fails in each of its ways once, and Postern is
// killed at a few places of a message's way. The long form: npm run faults -- --minutes N

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chanceOf } from '../support/chance.ts';
import { testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { type Fault, PART_FAULTS, SHORT_FAILPOINT_FAULTS } from './kinds.ts';
import { faultRun } from './run.ts';

const SEED = Number(process.env['POSTERN_FUZZ_SEED'] ?? 1);
/** How many at a time: none hides the way to the others for long. */
const AT_ONCE = 12;

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
  for (const state of ['relayed', 'released'] as const) {
    assert.ok((figures.states[state] ?? 0) > 0, `some were ${state}`);
  }
});

function* steps(): Generator<readonly Fault[], void> {
  const kills = SHORT_FAILPOINT_FAULTS.filter(({ kind }) => kind.endsWith(': kill'));
  const others = SHORT_FAILPOINT_FAULTS.filter(fault => !kills.includes(fault));
  while (others.length > 0) yield oneOfEachPlace(others);
  const parts = shuffled(PART_FAULTS.filter(({ kind }) => kind !== 'Postern killed'));
  while (parts.length > 0) yield parts.splice(0, 3);
  // Each ends what others wait for.
  for (const kill of kills) yield [kill];
}

/** Takes up to AT_ONCE from the list; a place has one fault at a time. */
function oneOfEachPlace(list: Fault[]): readonly Fault[] {
  const taken = new Map<string, Fault>();
  for (const fault of list) {
    const [place = ''] = fault.kind.split(':');
    if (taken.size < AT_ONCE && !taken.has(place)) taken.set(place, fault);
  }
  for (const fault of taken.values()) list.splice(list.indexOf(fault), 1);
  return [...taken.values()];
}

function shuffled<T>(list: readonly T[]): T[] {
  const chance = chanceOf(SEED);
  return list
    .map(item => ({ item, at: chance.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
