// docs/failure.md names a test for every failure: each of them is there, and the fault run has the faults it names.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { PART_FAULTS, SHORT_FAILPOINT_FAULTS } from '../../faults/kinds.ts';

const ROOT = join(import.meta.dirname, '../../..');
const rows = readFileSync(join(ROOT, 'docs/failure.md'), 'utf8')
  .split('\n')
  .filter(line => line.startsWith('| '))
  .slice(1)
  .map(line => line.split('|').map(cell => cell.trim()));
const named = rows.flatMap(cells => cells.at(-2)?.split(', ') ?? []);

test('every failure has a part, a kind and a test', () => {
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const cells of rows) {
    assert.equal(cells.length, 7, cells.join(' | '));
    assert.notEqual(cells[5], '', cells.join(' | '));
  }
});

test('every test that is named is there', () => {
  const missing = named
    .map(name => name.replace(/ \(.*\)$/, '').replace(/^test\//, ''))
    .filter(name => !existsSync(join(ROOT, 'test', `${name}.test.ts`)) && !existsSync(join(ROOT, 'test', name)));
  assert.deepEqual(missing, []);
});

test('the fault run has every fault that is named, and every fault of a part is named', () => {
  const claimed = named.flatMap(name => /^faults\/short \((.*)\)$/.exec(name)?.[1] ?? []);
  const parts = PART_FAULTS.map(({ kind }) => kind);
  const points = SHORT_FAILPOINT_FAULTS.map(({ kind }) => kind);
  assert.deepEqual(
    claimed.filter(kind => ![...parts, ...points].includes(kind)),
    [],
  );
  assert.deepEqual(
    parts.filter(kind => !claimed.includes(kind) && kind !== 'Postern killed'),
    [],
  );
});
