// Settings that must not start, each with the message its writer gets. Read the messages as a newcomer would: each says
// what is wrong, where, and what to do.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { parseSettings } from '../../../src/config/load.ts';
import { BadFile } from '../../../src/platform/problem.ts';
import { FILE, WORLD } from './world.ts';

const ROOT = join(import.meta.dirname, '../../bad-config');
const CASES = readdirSync(ROOT).sort();

describe('settings that must not start', () => {
  it('are at least 25 cases', () => {
    assert.ok(CASES.length >= 25, `${CASES.length} cases in ${ROOT}`);
  });

  for (const name of CASES) {
    it(name, () => {
      const expected = readFileSync(join(ROOT, name, 'expected-error'), 'utf8');
      assert.throws(
        () => parseSettings(FILE, readFileSync(join(ROOT, name, 'postern.yaml')), WORLD),
        error => {
          assert.ok(error instanceof BadFile, String(error));
          assert.equal(`${error.message}\n`, expected);
          return true;
        },
      );
    });
  }
});
