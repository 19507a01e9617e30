// The README's promises that can be tried: its settings are settings, its files exist.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { parseSettings } from '../../../src/config/load.ts';
import { VERSION } from '../../../src/version.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = [
  'README.md',
  'docs/flow.md',
  'docs/failure.md',
  'docs/decisions.md',
  'docs/rules.md',
  'docs/config.md',
  'docs/commands.md',
  'docs/operations.md',
  'docs/security.md',
  'docs/bench.md',
];

test('the examples of settings in the README are accepted', () => {
  const examples = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```yaml\n(.*?)```/gs)];
  assert.equal(examples.length, 3);
  for (const [, text = ''] of examples) parseSettings('README.md', text);
});

test('the version is the one of package.json, and the changelog has it', () => {
  assert.equal(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version, VERSION);
  assert.match(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), new RegExp(`^## ${VERSION}\\b`, 'm'));
});

for (const page of PAGES) {
  test(`${page} links to nothing that is missing`, () => {
    const links = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
    const missing = links.map(([, path = '']) => path).filter(path => !existsSync(join(ROOT, dirname(page), path)));
    assert.deepEqual(missing, []);
  });
}
