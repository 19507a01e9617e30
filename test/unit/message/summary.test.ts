import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DEFAULT_LIMITS } from '../../../src/message/limits.ts';
import { readMessage } from '../../../src/message/read.ts';
import { summarise } from '../../../src/message/summary.ts';

const summary = (text: string) => summarise(readMessage(Buffer.from(text, 'latin1'), DEFAULT_LIMITS));

test('the authors are the addresses of the From fields, as bytes, and nothing that is none', () => {
  const from = (raw: string) => summary(Buffer.from(`From: ${raw}\n\n`).toString('latin1')).from;
  assert.deepEqual(from('A\r\n <a@b.example>'), ['a@b.example']);
  assert.deepEqual(from('A <a@bücher.example>'), ['a@xn--bcher-kva.example']);
  assert.deepEqual(from('a@b@c.example, <A@b.example>, nobody'), ['A@b.example']);
  // An encoded word is one word, whatever it says.
  assert.deepEqual(from('=?utf-8?q?x=40y.example=2C?= <a@b.example>'), ['a@b.example']);
});

test('a summary has subject, authors, id, link domains and attachments', () => {
  const text =
    'From: a@b.example\nFrom: A <a@b.example>, c@d.example\nSubject: =?utf-8?q?=C3=A4?=\nMessage-ID: <1@x>\n' +
    'Content-Type: text/html; name=x.html\n\nhttp://x.example.com http://y.example.com http://[::1]/ http://z.example.org';
  const { attachments, ...rest } = summary(text);
  assert.deepEqual(rest, {
    subject: 'ä',
    from: ['a@b.example', 'c@d.example'],
    messageId: '<1@x>',
    linkDomains: ['example.com', 'example.org'],
  });
  assert.deepEqual(
    attachments.map(each => each.name),
    ['x.html'],
  );
});

test('an empty message has an empty summary', () => {
  assert.deepEqual(summary(''), { subject: '', from: [], messageId: '', linkDomains: [], attachments: [] });
});

test('everything in a summary is bounded, whatever the message', () => {
  const part = (i: number) =>
    `--b\nContent-Type: application/${'x'.repeat(120)}; name="${'n'.repeat(5000)}${i}"\n\nx\n`;
  const html = `--b\nContent-Type: text/html\n\n${Array.from({ length: 200 }, (_, i) => `<a href="http://a${i}.com">x</a>`).join('')}\n`;
  const text =
    `From: ${Array.from({ length: 500 }, (_, i) => `a${i}@b.example`).join(', ')}\nSubject: ${'\u{1f4a9}'.repeat(1000)}\n` +
    `Message-ID: ${'x'.repeat(900)}\nContent-Type: multipart/mixed; boundary=b\n\n${html}${Array.from({ length: 100 }, (_, i) => part(i)).join('')}--b--\n`;
  const made = summary(Buffer.from(text).toString('latin1'));
  assert.equal(made.subject, '\u{1f4a9}'.repeat(100));
  assert.equal(made.messageId.length, 250);
  assert.equal(made.from.length, 10);
  assert.equal(made.linkDomains.length, 50);
  assert.equal(made.attachments.length, 50);
  assert.ok(made.attachments.every(each => each.name.length <= 255 && each.type.length <= 100));
  assert.ok(JSON.stringify(made).length < 40_000);
});

test('a subject is cut between characters', () => {
  const { subject } = summary(Buffer.from(`Subject: x${'\u{1f4a9}'.repeat(200)}\n\n`).toString('latin1'));
  assert.equal(subject, `x${'\u{1f4a9}'.repeat(99)}`);
});
