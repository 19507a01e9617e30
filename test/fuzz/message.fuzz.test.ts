// Damaged messages: whatever arrives, reading throws nothing, stays within its budgets, and every offset lies inside.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type { Message, Part } from '../../src/mail/message.ts';
import { DEFAULT_LIMITS, type MessageLimits } from '../../src/message/limits.ts';
import { readMessage } from '../../src/message/read.ts';
import { summarise } from '../../src/message/summary.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const ROUNDS = rounds(1500);

/** Small enough that damage meets them. */
const LIMITS: MessageLimits = {
  ...DEFAULT_LIMITS,
  parts: 40,
  depth: 6,
  headerBytes: 4000,
  headerFields: 200,
  nestedBytes: 20_000,
  textBytes: 20_000,
  textChars: 10_000,
  links: 20,
};

const SAMPLE = [
  'From: "A, B" <a@b.example>\r\nTo: c@d.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?iso-2022-jp?b?GyRCJCIbKEI=?=\r\n',
  'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="out(er"; x*0*=utf-8\'\'%C3; x*1="y"\r\n\r\npreamble\r\n',
  '--out(er\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n',
  '--inner\r\nContent-Type: text/plain; charset="utf-7"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n+AGEAYg- www.x.example =\r\n=41\r\n',
  '--inner\r\nContent-Type: text/html; charset=windows-1251\r\n\r\n<p>x <a href="http://y.example/&amp;">z</a><style>p{}</style><br>\r\n--inner--\r\n',
  '--out(er\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: x\r\n\r\nhello\r\n--d--\r\n',
  `--out(er\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa('Content-Type: multipart/mixed; boundary=e\n\n--e\n\nhello\n--e--\n')}\r\n`,
  '--out(er\r\nContent-Type: application/pdf; name="=?utf-8?q?x?=.pdf"\r\nContent-Disposition: attachment; filename*=utf-8\'\'%C3%A4.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--out(er--\r\nepilogue\r\n',
];

/** Pieces that mean something to a MIME parser: put in anywhere. */
const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\r\n\r\n',
  '--',
  '--inner',
  '--inner--\r\n',
  '\r\n--out(er\r\n',
  '\r\n--d\r\n',
  '=?utf-8?q?',
  '?=',
  '=',
  '=\r\n',
  ';',
  '"',
  '\\',
  '(',
  ')',
  ':',
  ' ',
  '\t',
  '<',
  '>',
  '&#x',
  '<a href="',
  '<script>',
  '<!--',
  '\xff',
  '\xc3',
  '\x1b$B',
  '+',
  '%',
  '*0*=',
  'boundary=',
  'Content-Type: message/rfc822\r\n',
  'Content-Type: multipart/mixed; boundary=inner\r\n',
  'Content-Type: multipart/mixed\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Transfer-Encoding: quoted-printable\r\n',
  'charset=utf-16',
  'charset=hz-gb-2312',
  '\u00a0'.repeat(300),
  '--x\r\n'.repeat(60),
  'A: b\r\n'.repeat(300),
];

function damage(text: string, { below, pick }: Chance): string {
  let damaged = text;
  for (let n = 1 + below(6); n > 0; n--) {
    const at = below(damaged.length + 1);
    const end = Math.min(damaged.length, at + below(pick([4, 40, 400])));
    const token = pick(TOKENS);
    switch (below(6)) {
      case 0:
        damaged = damaged.slice(0, at) + damaged.slice(end);
        break;
      case 1:
        damaged = damaged.slice(0, at) + token + damaged.slice(at);
        break;
      case 2:
        damaged = damaged.slice(0, at) + token + damaged.slice(end);
        break;
      case 3:
        damaged = damaged.slice(0, end) + damaged.slice(at);
        break;
      case 4:
        damaged = damaged.slice(0, at) + String.fromCharCode(below(256)) + damaged.slice(at + 1);
        break;
      default:
        damaged = damaged.slice(at) + damaged.slice(0, at);
    }
    damaged = damaged.slice(0, 60_000);
  }
  return damaged;
}

/** What must hold for every input. */
function checkMessage(raw: Buffer, message: Message): void {
  assert.ok(message.parts.length >= 1 && message.parts.length <= LIMITS.parts);
  assert.ok(message.parts.reduce((sum, part) => sum + part.headers.length, 0) <= LIMITS.headerFields);
  const byPath = new Map<string, Part>();
  for (const part of message.parts) {
    assert.ok(!byPath.has(part.path), `path ${part.path} is there twice`);
    byPath.set(part.path, part);
    assert.ok(part.path.split('.').length <= LIMITS.depth + 1);
    const container = part.within === null ? raw : byPath.get(part.within)?.decoded();
    assert.ok(container !== undefined, 'a container comes before what is in it');
    assert.ok(0 <= part.start && part.start <= part.bodyStart && part.bodyStart <= part.bodyEnd);
    assert.ok(part.bodyEnd <= container.length);
    assert.ok(part.decoded().length <= part.bodyEnd - part.bodyStart);
    for (const header of part.headers) assert.ok(!/[\r\n\0]/.test(header.value), 'a value is one line');
    assert.ok((part.name ?? '').length <= 255);
  }
  assert.ok(message.text().length <= LIMITS.textChars + 1);
  assert.ok(message.raw().length <= LIMITS.textChars);
  assert.ok(message.links().length <= LIMITS.links);
  assert.ok(message.links().every(link => link.url.length <= 8192 && link.shown.length <= 200));
  const symbols = message.defects().map(defect => defect.symbol);
  assert.equal(new Set(symbols).size, symbols.length);
  assert.ok(message.problems().length <= 5);
  assert.ok(JSON.stringify(summarise(message)).length < 60_000);
}

/** Real mail where it lies beside the project, so that the damage meets more than our own idea of a message. */
function seeds(): string[] {
  const own = SAMPLE.join('');
  const folder = join(import.meta.dirname, '../../../shared/suites/mime/stalwart/eml/thirdparty');
  if (!existsSync(folder)) return [own];
  const real = readdirSync(folder)
    .filter(file => /^\d+\.eml$/.test(file))
    .map(file => readFileSync(join(folder, file), 'latin1'))
    .filter(text => text.length < 40_000);
  return [own, own, ...real];
}

test(`reading ${ROUNDS} damaged messages throws nothing and stays within every budget`, t => {
  const samples = seeds();
  const luck = chance(t);
  for (let round = 0; round < ROUNDS; round++) {
    const raw = Buffer.from(damage(luck.pick(samples), luck), 'latin1');
    try {
      checkMessage(raw, readMessage(raw, LIMITS));
    } catch (error) {
      throw new Error(JSON.stringify(raw.toString('latin1')).slice(0, 3000), { cause: error });
    }
  }
});

test('random bytes and every cut of a message are read', t => {
  const { below } = chance(t);
  for (let round = 0; round < rounds(300); round++) {
    const raw = Buffer.from(Array.from({ length: below(2000) }, () => below(256)));
    checkMessage(raw, readMessage(raw, LIMITS));
  }
  const whole = Buffer.from(SAMPLE.join(''), 'latin1');
  for (let end = 0; end < whole.length; end += 7) {
    checkMessage(whole.subarray(0, end), readMessage(whole.subarray(0, end), LIMITS));
  }
});

test('the undamaged sample is read as it is meant', () => {
  const message = readMessage(Buffer.from(SAMPLE.join(''), 'latin1'), DEFAULT_LIMITS);
  assert.deepEqual(
    message.parts.map(part => `${part.path} ${part.type}`.trim()),
    [
      'multipart/mixed',
      '1 multipart/alternative',
      '1.1 text/plain',
      '1.2 text/html',
      '2 message/rfc822',
      '2.1 multipart/digest',
      '2.1.1 message/rfc822',
      '2.1.1.1 text/plain',
      '3 message/rfc822',
      '3.1 multipart/mixed',
      '3.1.1 text/plain',
      '4 application/pdf',
    ],
  );
  assert.equal(message.text(), 'Grüßeあ\nab www.x.example A\nx z\nhello\nhello\n');
  assert.deepEqual(message.problems(), []);
});
