// The arguments of MAIL and RCPT: what is understood, what is refused and with which reply.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  commandArgument,
  isBeyondAscii,
  parseMailArguments,
  parseRcptArguments,
} from '../../../../src/gateway/smtp/parameters.ts';
import { MailError } from '../../../../src/mail/error.ts';

/** What became of it in a word: the sender, size, body; or the reply. */
function mail(argument: string): string {
  return worded(() => {
    const { mailFrom, smtpUtf8, body, declaredSize } = parseMailArguments(argument);
    return [mailFrom.address?.text ?? 'null', declaredSize, body, ...(smtpUtf8 ? ['UTF8'] : [])].join(' ');
  });
}

function rcpt(argument: string): string {
  return worded(() => {
    const recipient = parseRcptArguments(argument);
    return `${recipient.address.text}${isBeyondAscii(recipient) ? ' beyond ASCII' : ''}`;
  });
}

function worded(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    return `${error.reply.code} ${error.reply.enhanced}`;
  }
}

const MAIL: readonly [argument: string, becomes: string][] = [
  ['<>', 'null  7BIT'],
  ['<> SIZE=0', 'null 0 7BIT'],
  ['<a@b.example>', 'a@b.example  7BIT'],
  ['<a@B.Example.>', 'a@b.example  7BIT'],
  ['<@r.example:a@b.example>', 'a@b.example  7BIT'],
  ['<a@b.example>   SIZE=1\tBODY=8BITMIME ', 'a@b.example 1 8BITMIME'],
  ['<a@b.example> size=12 body=7bit', 'a@b.example 12 7BIT'],
  ['<a@b.example> BODY=8bitMIME', 'a@b.example  8BITMIME'],
  ['<a@b.example> SMTPUTF8', 'a@b.example  7BIT UTF8'],
  ['<\u00e4@b.example> smtputf8', '\u00e4@b.example  7BIT UTF8'],
  ['<a@\u00fc.example> SMTPUTF8', 'a@xn--tda.example  7BIT UTF8'],
  ['<\u00e4@b.example>', '553 5.6.7'],
  ['<a@\u00fc.example>', '553 5.6.7'],
  ['<a@b.example> SMTPUTF8=', '501 5.5.4'],
  ['<a@b.example> SMTPUTF8=1', '501 5.5.4'],
  ['<a@b.example> SMTPUTF8 SMTPUTF8', '501 5.5.4'],
  ['<a@b.example> SIZE', '501 5.5.4'],
  ['<a@b.example> SIZE=', '501 5.5.4'],
  ['<a@b.example> SIZE=-1', '501 5.5.4'],
  ['<a@b.example> SIZE=1e3', '501 5.5.4'],
  ['<a@b.example> SIZE=1=1', '501 5.5.4'],
  ['<a@b.example> SIZE=\u0661', '501 5.5.4'],
  [`<a@b.example> SIZE=${'9'.repeat(20)}`, `a@b.example ${Number('9'.repeat(20))} 7BIT`],
  [`<a@b.example> SIZE=${'9'.repeat(21)}`, '501 5.5.4'],
  ['<a@b.example> SIZE=1 size=1', '501 5.5.4'],
  ['<a@b.example> BODY', '501 5.5.4'],
  ['<a@b.example> BODY=', '501 5.5.4'],
  ['<a@b.example> BODY=BINARYMIME', '501 5.5.4'],
  ['<a@b.example> BODY=8B\u0131TMIME', '501 5.5.4'],
  // Letters that only a full alphabet folds to ASCII ones make no keyword.
  ['<a@b.example> \u017fIZE=1', '501 5.5.4'],
  ['<a@b.example> AUTH=<>', '555 5.5.4'],
  ['<a@b.example> RET=FULL', '555 5.5.4'],
  ['<a@b.example> __proto__=1', '501 5.5.4'],
  ['<a@b.example> constructor', '555 5.5.4'],
  ['<a@b.example> =1', '501 5.5.4'],
  ['<a@b.example>SIZE=1', '501 5.5.4'],
  ['a@b.example', '501 5.5.4'],
  ['<a@b.example', '501 5.5.4'],
  ['', '501 5.5.4'],
  ['<a>', '553 5.1.7'],
  ['<postmaster>', '553 5.1.7'],
  ['<a b@b.example>', '553 5.1.7'],
  ['<a@b.example\u0000>', '553 5.1.7'],
  ['<\ufffd@b.example> SMTPUTF8', '553 5.1.7'],
  [`<${'a'.repeat(2000)}@b.example>`, '553 5.1.7'],
];
for (const [argument, becomes] of MAIL) {
  test(`MAIL FROM:${JSON.stringify(argument.slice(0, 60))} is ${becomes}`, () => assert.equal(mail(argument), becomes));
}

const RCPT: readonly [argument: string, becomes: string][] = [
  ['<a@b.example>', 'a@b.example'],
  ['<"a"@b.example>', 'a@b.example'],
  ['<"a b"@b.example>', '"a b"@b.example'],
  ['<Postmaster>', 'Postmaster'],
  ['<>', '553 5.1.3'],
  ['<a>', '553 5.1.3'],
  ['<a@b.example> NOTIFY=NEVER', '555 5.5.4'],
  ['<a@b.example> SMTPUTF8', '555 5.5.4'],
  ['<\u00e4@b.example>', '\u00e4@b.example beyond ASCII'],
  ['<a@\u00fc.example>', 'a@xn--tda.example beyond ASCII'],
  ['<a@xn--tda.example>', 'a@xn--tda.example'],
  ['<"a\tb"@b.example> ', '553 5.1.3'],
  ['a@b.example', '501 5.5.4'],
];
for (const [argument, becomes] of RCPT) {
  test(`RCPT TO:${argument} is ${becomes}`, () => assert.equal(rcpt(argument), becomes));
}

const COMMANDS: readonly [line: string, argument: string | null][] = [
  ['MAIL FROM:<>', '<>'],
  ['mail from: \t<> SIZE=1', '<> SIZE=1'],
  ['MAIL FROM:', ''],
  ['MAIL FROM', null],
  ['MAIL FROM :<>', null],
  ['MAIL  FROM:<>', null],
  ['MAILFROM:<>', null],
  ['MAIL TO:<>', null],
  [' MAIL FROM:<>', null],
  ['MAIL FROM:a\nb', 'a\nb'],
];
for (const [line, argument] of COMMANDS) {
  test(`the argument of ${JSON.stringify(line)}`, () => assert.equal(commandArgument(line, 'MAIL FROM'), argument));
}

test('the longest line of the worst content is read at once', () => {
  const fillers = [' ', '\t', '"', '\\', '\\"', '<', '@', '@a,', '@a:', 'a.', ' a', '=', ' SIZE=1', '\u00e4'];
  const start = performance.now();
  for (const filler of fillers) {
    const text = filler.repeat(Math.floor(2000 / filler.length));
    for (const argument of [`<${text}>`, `<a@b.example>${text}`, `<a@b.example> ${text}x`, `${text}<>`, `<"${text}`]) {
      mail(argument);
      rcpt(argument);
    }
  }
  // A quadratic expression takes milliseconds here, a cubic one minutes.
  assert.ok(performance.now() - start < 5000);
});
