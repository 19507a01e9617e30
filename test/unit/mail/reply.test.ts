import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HopLost, MailError, replyOf } from '../../../src/mail/error.ts';
import { mirrored, REPLIES, replyText } from '../../../src/mail/reply.ts';

for (const [name, reply] of Object.entries(REPLIES)) {
  test(`I5: ${name} has codes that agree and a text that tells nothing of the inside`, () => {
    assert.match(replyText(reply), /^[245]\d\d [245]\.\d\.\d [\x20-\x7e]{2,100}$/);
    // RFC 3463 section 2: the class of the status is the first digit of the code.
    assert.equal(String(reply.code)[0], reply.enhanced[0]);
    assert.doesNotMatch(reply.text, /postern|clam|redis|sqlite|rspamd|spam|virus|rule|score|dns|disk|\/|\.js|\d{2}/i);
  });
}

test('I5: what nobody has named is 451, whatever it is', () => {
  for (const error of [new Error('x'), new TypeError('x'), 'text', null, undefined, { reply: REPLIES.rejected }]) {
    assert.equal(replyOf(error), REPLIES.unknownError);
  }
});

test('an error that knows its reply says it; its private words stay inside', () => {
  const error = new MailError('noSpace', '/var/spool is full', { cause: new Error('ENOSPC') });
  assert.equal(replyOf(error), REPLIES.noSpace);
  assert.doesNotMatch(replyText(replyOf(error)), /var/);
});

test('a hop that was lost is 451 before and after the dot, with other states', () => {
  assert.equal(replyOf(new HopLost(false, 'x')).enhanced, '4.4.1');
  assert.equal(replyOf(new HopLost(true, 'x')).enhanced, '4.4.2');
});

const MIRRORED: readonly { said: [number, string | null, string]; passText: boolean; becomes: RegExp }[] = [
  { said: [550, '5.1.1', 'no such user'], passText: false, becomes: /^550 5\.1\.1 Refused by the destination$/ },
  { said: [550, '5.1.1', 'no such user'], passText: true, becomes: /^550 5\.1\.1 no such user$/ },
  { said: [450, null, 'later'], passText: false, becomes: /^450 4\.0\.0 Not accepted now/ },
  { said: [421, '4.3.2', 'bye'], passText: true, becomes: /^451 4\.3\.0 Not accepted now/ },
  { said: [250, '2.0.0', 'ok'], passText: true, becomes: /^451 4\.3\.0 Not accepted now/ },
  { said: [354, null, 'go'], passText: true, becomes: /^451 4\.3\.0/ },
  { said: [503, '5.5.1', 'of our session'], passText: true, becomes: /^451 4\.3\.0 Not accepted now/ },
  { said: [530, '5.7.0', 'of our session'], passText: true, becomes: /^451 4\.3\.0 Not accepted now/ },
  { said: [550, '4.1.1', 'of two kinds'], passText: false, becomes: /^550 5\.0\.0 Refused/ },
  { said: [550, '5.1.1', 'l\u00e4\r\n250 ok'], passText: true, becomes: /^550 5\.1\.1 l\?250 ok$/ },
  { said: [550, '5.1.1', 'x'.repeat(999)], passText: true, becomes: /^550 5\.1\.1 x{400}$/ },
  { said: [0, null, ''], passText: true, becomes: /^451 4\.3\.0/ },
  { said: [999, null, 'x'], passText: true, becomes: /^451 4\.3\.0/ },
];

for (const { said, passText, becomes } of MIRRORED) {
  test(`a hop's "${said.join(' ')}" ${passText ? 'with' : 'without'} its text`, () => {
    const [code, enhanced, text] = said;
    assert.match(replyText(mirrored({ code, enhanced, text }, passText)), becomes);
  });
}
