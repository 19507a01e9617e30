import assert from 'node:assert/strict';
import { test } from 'node:test';

import { prepare, readCorpus, salted, sizedMail } from '../../../bench/mail.ts';

const sent = (raw: string, salt = 'S1') =>
  Buffer.concat(salted(prepare(Buffer.from(raw, 'latin1')), salt)).toString('latin1');

test('plain mail gets a Message-ID of its own, a line on top of its text, and its dots stuffed', () => {
  assert.equal(
    sent('From: a@x.example\r\nMessage-Id:\r\n <old@x.example>\r\nTo: b\r\n\r\nHello\r\n.\r\nend'),
    'Message-ID: <S1@bench.example>\r\nFrom: a@x.example\r\nTo: b\r\n\r\nReference S1\r\nHello\r\n..\r\nend\r\n',
  );
});

test('of a multipart each text is salted, base64 is left whole', () => {
  const part = (type: string, body: string) => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`;
  const encoded = `--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n`;
  const head = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n';
  const out = sent(
    `${head}${part('text/plain', 'one')}${part('image/png', 'two')}${encoded}${part('TEXT/html', '<p>')}--b--\r\n`,
  );
  assert.deepEqual(out.match(/\r\n\r\n.*/g), [
    '\r\n\r\n--b',
    '\r\n\r\nReference S1',
    '\r\n\r\ntwo',
    '\r\n\r\nQUJD',
    '\r\n\r\nReference S1',
  ]);
});

test('mail of a size has about that size, and never a dot that ends it', () => {
  for (const size of [1000, 10_000, 100_000, 1_000_000, 10_000_000]) {
    const bytes = Buffer.concat(salted(sizedMail(size), 'S1'));
    assert.ok(Math.abs(bytes.length - size) < 100 + size / 10, `${size}: ${bytes.length}`);
    assert.equal(bytes.indexOf('\r\n.\r\n'), -1);
    assert.ok(bytes.subarray(-2).equals(Buffer.from('\r\n')));
  }
});

test('made mail needs no corpus, and a corpus that is not there is null', () => {
  assert.equal(readCorpus('generated')?.length, 500);
  assert.equal(readCorpus('no-such-corpus'), null);
});
