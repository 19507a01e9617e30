import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MailError } from '../../../src/mail/error.ts';
import { diskError } from '../../../src/spool/disk-error.ts';

const CASES = [
  ['ENOSPC', 452],
  ['EDQUOT', 452],
  ['EFBIG', 452],
  ['EIO', 451],
  ['EACCES', 451],
  ['ENOENT', 451],
] as const;

for (const [code, reply] of CASES) {
  test(`${code} is ${reply}`, () => {
    const error = diskError('spool', Object.assign(new Error(code), { code }));
    assert.equal(error.reply.code, reply);
    assert.equal(error.message, 'spool');
  });
}

test('an error that knows its reply keeps it', () => {
  const error = new MailError('busy', 'x');
  assert.equal(diskError('spool', error), error);
});

test('what is no error at all is 451', () => {
  assert.equal(diskError('spool', 'text').reply.code, 451);
});
