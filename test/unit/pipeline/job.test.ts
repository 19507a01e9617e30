import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseJob, queueNames } from '../../../src/pipeline/job.ts';
import { newId } from '../../support/scan-fakes.ts';

const id = newId();
const job = { version: 1, id, deadline: 2, enqueued: 1 } as const;

test('a job is read back', () => {
  assert.deepEqual(parseJob({ ...job, more: 'ignored' }), job);
});

for (const data of [
  null,
  'x',
  7,
  {},
  { ...job, version: 2 },
  { ...job, id: '../../etc' },
  { ...job, deadline: '2' },
  { ...job, enqueued: null },
]) {
  test(`no job: ${JSON.stringify(data)}`, () => {
    assert.equal(parseJob(data), null);
  });
}

test('the names in Redis are told apart by prefix and host', () => {
  const names = queueNames('postern', 'mx1.example.org');
  assert.equal(names.queue, 'scan-mx1.example.org');
  assert.equal(names.verdict(id), `verdict:postern:${id}`);
  assert.equal(names.channel, 'verdicts:postern:mx1.example.org');
});

for (const bad of ['', 'a b', 'a:b', 'a\r\nb', '*', 'x'.repeat(101)]) {
  test(`a host name that cannot stand in a key is refused: ${JSON.stringify(bad).slice(0, 20)}`, () => {
    assert.throws(() => queueNames('postern', bad), /letters, digits/);
    assert.throws(() => queueNames(bad, 'host'), /letters, digits/);
  });
}
