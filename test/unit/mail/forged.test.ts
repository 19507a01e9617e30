import assert from 'node:assert/strict';
import { test } from 'node:test';

import { deliverable, FIELD_HEAD_MAX, HeaderFilter } from '../../../src/mail/forged.ts';
import { heldBytes } from '../../support/memory.ts';

const HOST = 'mx.example.com';

/** The message without forged fields, given to the filter in pieces of `size` bytes. */
function filtered(message: string, size = message.length || 1): string {
  const filter = new HeaderFilter(HOST);
  const bytes = Buffer.from(message, 'latin1');
  const kept: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    // The piece is overwritten afterwards, as a reused buffer would be.
    const piece = Buffer.from(bytes.subarray(at, at + size));
    kept.push(...filter.push(piece).map(part => Buffer.from(part)));
    piece.fill(0x21);
  }
  kept.push(...filter.end());
  return Buffer.concat(kept).toString('latin1');
}

const FORGED: readonly string[] = [
  'X-Spam-Flag: NO\r\n',
  'x-spam-flag:NO\r\n',
  'X-SPAM-STATUS: No,\r\n score=0\r\n\ttests=none\r\n',
  'X-Spam: no\r\n',
  'X-Postern: x\r\n',
  'X-Postern-Report: x\r\n',
  'x-postern-release: x\r\n',
  'X-Spam-Flag : NO\r\n',
  'X-Spam-Flag \t  : NO\r\n',
  'X-Spam-Flag\r\n : NO\r\n',
  'X-Spam-Anything-At-All:\r\n',
  'Authentication-Results: mx.example.com; spf=pass\r\n',
  'AUTHENTICATION-RESULTS: MX.EXAMPLE.COM; spf=pass\r\n',
  'Authentication-Results:mx.example.com;spf=pass\r\n',
  'Authentication-Results:\r\n mx.example.com;\r\n spf=pass\r\n',
  'Authentication-Results : mx.example.com 1; spf=pass\r\n',
  'Authentication-Results: mx.example.com. ; spf=pass\r\n',
  'Authentication-Results: "mx.example.com"; spf=pass\r\n',
  'Authentication-Results: "mx.exa\\mple.com"; spf=pass\r\n',
  'Authentication-Results: "mx.example.com" 1; spf=pass\r\n',
  'Authentication-Results: (a) mx.example.com; spf=pass\r\n',
  'Authentication-Results: (a (b) \\) c)\r\n (d) mx.example.com (e); spf=pass\r\n',
  'Authentication-Results: (a)mx.example.com(b); spf=pass\r\n',
  'Authentication-Results: (")mx.example.com; spf=pass\r\n',
  'Authentication-Results: mx.example.com/1; spf=pass\r\n',
  'Authentication-Results: mx.example.com\r\n',
  `Authentication-Results: (${'a'.repeat(FIELD_HEAD_MAX)}) mx.example.com; spf=pass\r\n`,
  `Authentication-Results: ${'()'.repeat(FIELD_HEAD_MAX)} mx.example.com; spf=pass\r\n`,
  `X-Spam-Flag${' '.repeat(FIELD_HEAD_MAX)}: NO\r\n`,
  `Authentication-Results${' '.repeat(FIELD_HEAD_MAX)}: mx.example.com; spf=pass\r\n`,
  `X-Spam-Status: ${'x'.repeat(3 * FIELD_HEAD_MAX)}\r\n`,
];

const HONEST: readonly string[] = [
  'Subject: X-Spam-Flag: NO\r\n',
  'Subject: x\r\n X-Spam-Flag: NO\r\n',
  'X-Spamassassin: x\r\n',
  'X-Posternal: x\r\n',
  'X-My-Spam-Flag: x\r\n',
  'XX-Spam-Flag: x\r\n',
  'X-Spa\r\n',
  'X-Spam-Flag without a colon\r\n',
  'Authentication-Results: other.example.com; spf=pass\r\n',
  'Authentication-Results: mx.example.com.evil.example; spf=pass\r\n',
  'Authentication-Results: xmx.example.com; spf=pass\r\n',
  'Authentication-Results: other.example (mx.example.com); spf=pass\r\n',
  'Authentication-Results: "other.example; mx.example.com"; spf=pass\r\n',
  'ARC-Authentication-Results: i=1; mx.example.com; spf=pass\r\n',
  'Received: by mx.example.com\r\n',
  'no header at all\r\n',
  ': no name\r\n',
  `Long: ${'x'.repeat(3 * FIELD_HEAD_MAX)}\r\n`,
  `${'n'.repeat(3 * FIELD_HEAD_MAX)}: x\r\n`,
  `Authentication-Results: other.example; ${'x'.repeat(3 * FIELD_HEAD_MAX)}\r\n`,
];

const shown = (field: string) => JSON.stringify(field.length > 70 ? `${field.slice(0, 70)}…` : field);

for (const [name, fields, isForged] of [
  ['forged', FORGED, true],
  ['honest', HONEST, false],
] as const) {
  for (const field of fields) {
    test(`${name}: ${shown(field)}`, () => {
      const places = [
        [`${field}Subject: x\r\n\r\n`, 'Subject: x\r\n\r\n'],
        [`Subject: x\r\n${field}To: y\r\n\r\n`, 'Subject: x\r\nTo: y\r\n\r\n'],
        [`Subject: x\r\n${field}\r\n`, 'Subject: x\r\n\r\n'],
        [`Subject: x\r\n${field}`, 'Subject: x\r\n'],
      ] as const;
      for (const [message, without] of places) {
        const expected = isForged ? without : message;
        for (const size of [1, 2, 7, 64, 4096, message.length])
          assert.equal(filtered(message, size), expected, `${size}`);
      }
    });
  }
}

test('what stands in the body is not touched, and a body needs no header', () => {
  const body = 'X-Spam-Flag: NO\r\nAuthentication-Results: mx.example.com; spf=pass\r\n\r\n\0\xff\r\n.\r\n';
  for (const size of [1, 5, 1000]) {
    assert.equal(filtered(`X-Spam-Flag: NO\r\n\r\n${body}`, size), `\r\n${body}`);
    assert.equal(filtered(`\r\n${body}`, size), `\r\n${body}`);
  }
});

test('an empty message stays empty', () => assert.equal(filtered(''), ''));

test('a line that begins with a blank at the very top is nobody’s continuation', () => {
  assert.equal(filtered(' X-Spam-Flag: NO\r\nSubject: x\r\n\r\n'), ' X-Spam-Flag: NO\r\nSubject: x\r\n\r\n');
});

test('a header section of twenty megabytes needs no memory to speak of', async () => {
  const filter = new HeaderFilter(HOST);
  const honest = Buffer.from('A: b\r\nX-Spam-Flag: NO\r\n'.repeat(3000));
  const before = await heldBytes();
  let kept = 0;
  for (let i = 0; i < 300; i++) for (const part of filter.push(honest)) kept += part.length;
  const held = (await heldBytes()) - before;
  kept += filter.end().reduce((sum, part) => sum + part.length, 0);
  assert.equal(kept, 300 * 3000 * 'A: b\r\n'.length);
  assert.ok(held < 5_000_000, `${held} bytes`);
});

test('I2: deliverable is the stamp, then the bytes', async () => {
  async function* source() {
    yield Buffer.from('X-Spam-Flag: NO\r\nSub');
    yield Buffer.from('ject: x\r\n\r\nbody\r\n');
  }
  const parts: Uint8Array[] = [];
  for await (const part of deliverable(source(), 'X-Spam-Flag: YES\r\n', HOST)) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), 'X-Spam-Flag: YES\r\nSubject: x\r\n\r\nbody\r\n');
});
