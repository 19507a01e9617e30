// `npm run faults -- --minutes N [--seed S]`: the fault run in its long form. Prints progress, and in the end the figures and
// the seed; exit 1 where a message is lost, or anything is not explained. What a failed run has left is kept and named.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { type Chance, chanceOf } from '../support/chance.ts';
import { DISK_FAULTS, FAILPOINT_FAULTS, type Fault, PART_FAULTS } from './kinds.ts';
import { type Figures, faultRun } from './run.ts';
import { againWithOwnMounts } from './small-disk.ts';

const ROUND_MS = 45_000;

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
const minutes = Number(values.minutes ?? 5);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(minutes > 0) || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write('usage: npm run faults -- --minutes N [--seed S]\n');
  process.exit(2);
}

const status = againWithOwnMounts();
if (status !== null) process.exit(status);

// Told to end, it ends in order: the faults stop, and what was sent is audited.
let isToldToEnd = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isToldToEnd) process.exit(1);
    isToldToEnd = true;
    say('ending: once more, and it ends without an audit');
  });
}

const startedAt = Date.now();
const say = (line: string) =>
  process.stdout.write(`${String(Math.round((Date.now() - startedAt) / 1000)).padStart(5)} s  ${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'postern-faults-'));
say(`seed ${seed}, ${minutes} minutes, in ${folder}`);
const figures = await faultRun(folder, {
  seed,
  steps: steps(chanceOf(seed), startedAt + minutes * 60_000),
  senders: 12,
  faultMs: 1200,
  roundMs: ROUND_MS,
  rounds: Number.POSITIVE_INFINITY,
  say,
});
process.stdout.write(table(figures));
const isWell = figures.lost === 0 && figures.problems.length === 0;
if (isWell) rmSync(folder, { recursive: true, force: true });
else process.stdout.write(`left for a look: ${folder}\n`);
process.stdout.write(`again: npm run faults -- --minutes ${minutes} --seed ${seed}\n`);
process.exit(isWell ? 0 : 1);

/** All faults in an order of chance, and again; most alone, some with others. As often parts as failpoints. */
function* steps(chance: Chance, until: number): Generator<readonly Fault[], void> {
  const decks = [deck(chance, [...PART_FAULTS, ...DISK_FAULTS]), deck(chance, FAILPOINT_FAULTS)] as const;
  while (Date.now() < until && !isToldToEnd) {
    const together = chance.pick([1, 1, 1, 1, 2, 2, 3]);
    yield Array.from({ length: together }, () => chance.pick(decks).next().value);
  }
}

function* deck(chance: Chance, faults: readonly Fault[]): Generator<Fault, never> {
  for (;;) {
    const left = [...faults];
    while (left.length > 0) {
      const [fault] = left.splice(chance.below(left.length), 1);
      if (fault !== undefined) yield fault;
    }
  }
}

function table(run: Figures): string {
  const { releases, states, doubles, faults, missed, problems, ...numbers } = run;
  const rows = (all: Readonly<Record<string, number>>) =>
    Object.entries(all)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, n]) => `${String(n).padStart(9)}  ${what}`);
  const part = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : ['', title, ...lines]);
  return [
    ...part('The fault run', rows(numbers)),
    ...part('Copies by state in the books', rows(states)),
    ...part('Copies beyond the first, and why', rows(doubles)),
    ...part('Releases', rows(releases)),
    ...part('Faults', rows(faults)),
    ...part('Failpoints nobody came by', rows(missed)),
    ...part('PROBLEMS', problems),
    '',
  ].join('\n');
}
