import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wantsColour } from '../../../src/cli/colour.ts';

const CASES: readonly (readonly [string, boolean, Record<string, string>, boolean])[] = [
  ['a terminal', true, {}, true],
  ['a pipe', false, {}, false],
  ['a terminal that has none', true, { TERM: 'dumb' }, false],
  ['NO_COLOR', true, { NO_COLOR: '1' }, false],
  ['NO_COLOR that is empty counts as not set', true, { NO_COLOR: '' }, true],
  ['FORCE_COLOR in a pipe', false, { FORCE_COLOR: '1' }, true],
  ['FORCE_COLOR=0 in a terminal', true, { FORCE_COLOR: '0' }, false],
  ['both: no is stronger', false, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
];

for (const [name, isTTY, environment, expected] of CASES) {
  test(`colour: ${name}: ${expected ? 'yes' : 'no'}`, () =>
    assert.equal(wantsColour({ isTTY }, environment), expected));
}
