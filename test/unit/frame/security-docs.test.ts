// docs/security.md tells no limit that is not in the source, with the value it has there, and leaves no setting out.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGE = read('docs/security.md');

test('each fixed limit stands in the file it names, with that value', () => {
  const rows = [...PAGE.matchAll(/^\| `([A-Z_]+)` \| `([^`]+)` \| (src\/\S+) \|/gm)];
  assert.ok(rows.length >= 30, `${rows.length} rows`);
  for (const [, name, value, file = ''] of rows) {
    assert.ok(read(file).includes(`const ${name} = ${value};`), `${file}: ${name} = ${value}`);
  }
});

test('every limit and timeout that can be set is explained, and no other', () => {
  const named = [...PAGE.matchAll(/^\| `((?:limits|timeouts)\.[A-Za-z]+)` \|/gm)].map(([, name]) => name ?? '');
  const source = read('src/config/table-limits.ts');
  const [limits = '', timeouts = ''] = source.split('export const timeouts');
  const keys = (group: string, text: string) =>
    [...text.matchAll(/^ {4}([A-Za-z]+): setting\(/gm)].map(([, key]) => `${group}.${key}`);
  assert.deepEqual(named.sort(), [...keys('limits', limits), ...keys('timeouts', timeouts)].sort());
});

test('the files that the pages on security and operations name are there', () => {
  for (const page of ['docs/security.md', 'docs/operations.md']) {
    for (const [, file = ''] of read(page).matchAll(/`((?:test|scripts|deploy|src)\/[\w./-]+\.\w+)`/g)) {
      assert.ok(existsSync(join(ROOT, file)), `${page}: ${file}`);
    }
    for (const [, file = ''] of read(page).matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)) {
      assert.ok(existsSync(join(ROOT, 'docs', file)), `${page}: ${file}`);
    }
  }
});
