// Each folder of test/bad-rules is a mistake that people make, and what Postern says to it, word by word.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { problemText } from '../../../src/platform/problem.ts';
import { lintTexts } from '../../../src/rules/load.ts';

const FOLDER = join(import.meta.dirname, '../../bad-rules');

for (const name of readdirSync(FOLDER).sort()) {
  test(`bad rules: ${name}`, () => {
    const text = readFileSync(join(FOLDER, name, 'rules.yaml'), 'utf8');
    const { source, problems } = lintTexts([{ folder: 0, file: 'rules.yaml', text }]);
    assert.equal(source, null);
    assert.equal(
      `${problems.map(problemText).join('\n')}\n`,
      readFileSync(join(FOLDER, name, 'expected-error'), 'utf8'),
    );
  });
}
