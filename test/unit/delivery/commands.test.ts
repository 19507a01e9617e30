import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type MailParameters, mailCommand, rcptCommand } from '../../../src/delivery/commands.ts';
import type { SessionCapabilities } from '../../../src/delivery/hop-session.ts';
import { MailError } from '../../../src/mail/error.ts';
import { REPLIES } from '../../../src/mail/reply.ts';
import { NULL_SENDER, recipient, sender } from './hop-kit.ts';

const ALL: SessionCapabilities = {
  sizeBytes: null,
  offersSize: true,
  eightBitMime: true,
  smtpUtf8: true,
  pipelining: true,
};
const NONE: SessionCapabilities = {
  sizeBytes: null,
  offersSize: false,
  eightBitMime: false,
  smtpUtf8: false,
  pipelining: false,
};
const FULL: MailParameters = { smtpUtf8: true, body: '8BITMIME', declaredSize: 100 };
const PLAIN: MailParameters = { smtpUtf8: false, body: '7BIT', declaredSize: null };

const CASES: readonly [string, string, MailParameters, SessionCapabilities, string][] = [
  [
    'everything asked for and offered',
    'a@b.example',
    FULL,
    ALL,
    'MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8',
  ],
  ['offered and not asked for', 'a@b.example', PLAIN, ALL, 'MAIL FROM:<a@b.example>'],
  ['asked for and not offered', 'a@b.example', { ...FULL, smtpUtf8: false }, NONE, 'MAIL FROM:<a@b.example>'],
  ['an address beyond ASCII', 'ä@b.example', PLAIN, ALL, 'MAIL FROM:<ä@b.example> SMTPUTF8'],
];

for (const [what, from, asked, can, expected] of CASES) {
  test(`MAIL: ${what}`, () => assert.equal(mailCommand(sender(from), asked, can), expected));
}

test('MAIL: the null sender', () => assert.equal(mailCommand(NULL_SENDER, PLAIN, NONE), 'MAIL FROM:<>'));

test('RFC 6531 3.2: there is no way down from SMTPUTF8', () => {
  assert.throws(() => mailCommand(NULL_SENDER, FULL, NONE), { reply: REPLIES.needsSmtpUtf8 });
  assert.throws(() => mailCommand(sender('ä@b.example'), PLAIN, NONE), MailError);
  assert.throws(() => rcptCommand(recipient('ä@b.example'), false), MailError);
  assert.equal(rcptCommand(recipient('ä@b.example'), true), 'RCPT TO:<ä@b.example>');
});

test('no control character gets into a command, even where an address was made by hand', () => {
  const address = { localPart: 'a', domain: 'b', text: 'a@b>\r\nDATA' };
  assert.throws(() => mailCommand({ raw: '', address }, PLAIN, ALL), MailError);
  assert.throws(() => rcptCommand({ raw: '', address }, true), MailError);
});
