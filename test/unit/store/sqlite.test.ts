import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { Sqlite } from '../../../src/store/sqlite.ts';
import { temporaryFolder } from '../../support/sample-record.ts';

const insert = (words: string) => ({
  sql: 'INSERT INTO events (message_id, copy_id, at, who, what, words) VALUES (?, NULL, 1, ?, ?, ?)',
  parameters: ['x', 'test', 'note', words],
  mustChange: null,
});
const count = { sql: 'SELECT count(*) AS n FROM events', parameters: [], mustChange: null };

test('a full disk refuses the whole group with 452 and works again when there is room', async t => {
  const database = Sqlite.openWriter({ path: join(await temporaryFolder(t), 'postern.db'), busyMs: 100 });
  t.after(() => database.close());
  // The limit cannot be below what is in use; the next page is then one too many.
  database.limitPages(1);
  const results = database.writeGroup([[insert('small')], [insert('x'.repeat(500_000))]]);
  for (const result of results) {
    assert.ok('failure' in result);
    assert.equal(result.failure.kind, 'full');
    assert.match(result.failure.says, /postern\.db: the database or its disk is full: make room/);
  }
  assert.deepEqual(database.read(count), [{ n: 0 }]);
  database.limitPages(100_000);
  assert.deepEqual(database.writeGroup([[insert('small')]]), [{ changes: [1] }]);
});

test('a group is one transaction: its batches fail alone', async t => {
  const database = Sqlite.openWriter({ path: join(await temporaryFolder(t), 'postern.db'), busyMs: 100 });
  t.after(() => database.close());
  const wrong = { sql: 'INSERT INTO nowhere VALUES (1)', parameters: [], mustChange: null };
  const none = { sql: 'UPDATE events SET at = 2 WHERE words = ?', parameters: ['none'], mustChange: 1 };
  const results = database.writeGroup([[insert('a')], [insert('b'), wrong], [insert('c'), none], [insert('d')]]);
  assert.deepEqual(
    results.map(result => ('failure' in result ? result.failure.kind : 'done')),
    ['done', 'other', 'changed', 'done'],
  );
  assert.deepEqual(database.read({ ...count, sql: 'SELECT words FROM events' }), [{ words: 'a' }, { words: 'd' }]);
});

test('a parameter that is no text, number or null is refused, not turned into something', async t => {
  const database = Sqlite.openWriter({ path: join(await temporaryFolder(t), 'postern.db'), busyMs: 100 });
  t.after(() => database.close());
  const [result] = database.writeGroup([[{ ...insert('a'), parameters: ['x', true, 'note', 'a'] }]]);
  assert.ok(result !== undefined && 'failure' in result);
  assert.match(result.failure.says, /a parameter is a boolean/);
});
