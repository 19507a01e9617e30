// The answers that need no session, the argument of HELO, and the end of patience.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Patience } from '../../../../src/gateway/smtp/patience.ts';
import { helloName, readCommand } from '../../../../src/gateway/smtp/verbs.ts';
import { REPLIES } from '../../../../src/mail/reply.ts';

const LINES: readonly [line: string, verbOrCode: string | number][] = [
  ['mail FROM:<>', 'MAIL'],
  ['MAIL', 'MAIL'],
  ['DATA \t ', 'DATA'],
  ['DATA x', 501],
  ['QUIT\t', 'QUIT'],
  ['STARTTLS 1', 501],
  ['noop', 250],
  ['VRFY \t', 501],
  ['VRFY\ta', 252],
  ['BDAT 1', 421],
  ['etrn x', 502],
  ['CONNECT a:25 HTTP/1.1', 421],
  ['HTTP/1.1 200 OK', 500],
  ['', 500],
  ['\u017fend', 500],
];
for (const [line, expected] of LINES) {
  test(`${JSON.stringify(line)} is ${expected}`, () => {
    const asked = readCommand(line);
    assert.equal(typeof asked === 'string' ? asked : asked.reply.code, expected);
  });
}

const HELLOS: readonly [line: string, name: string | null][] = [
  ['EHLO mx.example.org', 'mx.example.org'],
  ['HELO  [127.0.0.1] ', '[127.0.0.1]'],
  ['HELO my_pc', 'my_pc'],
  ['EHLO \u00fcber.example', '\u00fcber.example'],
  ['EHLO', null],
  ['EHLO a b', null],
  ['EHLO a\x01', null],
  ['EHLO \ufffd', null],
  [`EHLO ${'a'.repeat(255)}`, 'a'.repeat(255)],
  [`EHLO ${'a'.repeat(256)}`, null],
];
for (const [line, name] of HELLOS) {
  test(`the name of ${JSON.stringify(line.slice(0, 40))} is ${name === null ? 'none' : 'taken'}`, () => {
    assert.equal(helloName(line), name);
  });
}

test('patience ends at the limit, and begins anew with a message', () => {
  const patience = new Patience();
  for (let n = 1; n <= 100; n++) assert.ok(patience.hasAnswer(REPLIES.relayDenied, 50));
  assert.ok(!patience.hasAnswer(REPLIES.relayDenied, 50));
  assert.ok(patience.hasAnswer(REPLIES.relayDenied, 1000), 'never fewer than the recipients of a transaction');
  patience.renew();
  for (let n = 1; n <= 1000; n++) assert.ok(patience.hasAnswer(REPLIES.otherTransaction, 50));
  for (let n = 1; n < 10; n++) assert.ok(patience.hasUnknown());
  assert.ok(!patience.hasUnknown());
  for (let n = 1; n <= 20_000; n++) assert.ok(patience.hasCommand());
  assert.ok(!patience.hasCommand());
});
