import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compiled, insertion, sqliteQueries } from '../../../src/store/queries.ts';

const event = (words: string) => ({ message_id: 'm', copy_id: null, at: 1, who: 'postern', what: 'note', words });

test('an insertion says what the query would have said, the first time and later', () => {
  const db = sqliteQueries();
  for (const count of [1, 2, 2, 10, 11, 1]) {
    const rows = Array.from({ length: count }, (_, i) => event(`'words' ${i}`));
    const { sql, parameters } = db.insertInto('events').values(rows).compile();
    assert.deepEqual(compiled(insertion(db, 'events', rows)), { sql, parameters, mustChange: null });
  }
});

test('rows with other columns, or in another order, do not get each other’s values', () => {
  const db = sqliteQueries();
  const { words, ...rest } = event('b');
  const other = { words, ...rest };
  const pairs = [[event('a'), other], [other], [event('a')], [{ ...event('c'), event_id: 7 }]];
  for (const rows of [...pairs, ...pairs]) {
    const { sql, parameters } = compiled(insertion(db, 'events', rows));
    const columns = [...sql.matchAll(/"(\w+)"/g)].slice(1).map(match => match[1] ?? '');
    const values = rows.flatMap(row =>
      columns.map(column => Object.entries(row).find(([name]) => name === column)?.[1]),
    );
    assert.deepEqual(parameters, values);
  }
});
