import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GuardLimits, LineGuard } from '../../../../src/gateway/intake/line-guard.ts';
import { MailError } from '../../../../src/mail/error.ts';
import { heldBytes } from '../../../support/memory.ts';

const LIMITS: GuardLimits = {
  messageBytes: 10_000,
  receivedHeaders: 5,
  ownReceived: 2,
  bareNewlines: 'normalize',
  hostname: 'mx.example.org',
};

/** What the guard makes of the chunks, as latin1 text. */
function guarded(chunks: readonly string[], limits: Partial<GuardLimits> = {}): string {
  const guard = new LineGuard({ ...LIMITS, ...limits });
  const out = chunks.map(chunk => Buffer.from(guard.push(Buffer.from(chunk, 'latin1'))).toString('latin1'));
  return out.join('') + Buffer.from(guard.end()).toString('latin1');
}

/** What normalising means, said in one line. */
const expected = (text: string) => text.replace(/\r\n|\r|\n/g, '\r\n');

const CONTENTS = [
  'plain\r\n',
  'no end',
  '\n',
  '\r',
  '\r\r\n\n',
  'a\rb\nc\r\nd',
  '\r\n.\r\n',
  '\n.\n',
  '\r.\r',
  'x\r\r\r\n\n\r\n\r',
  '',
  'h: v\r\n\r\nbody\n\r\n\n\r\r',
];

test('bare CR and LF become CRLF wherever the chunks are cut', () => {
  for (const content of CONTENTS) {
    assert.equal(guarded([content]), expected(content), JSON.stringify(content));
    for (let cut = 0; cut <= content.length; cut++) {
      const pieces = [content.slice(0, cut), content.slice(cut)];
      assert.equal(guarded(pieces), expected(content), `${JSON.stringify(content)} cut at ${cut}`);
    }
    assert.equal(guarded([...content]), expected(content), `${JSON.stringify(content)} byte by byte`);
  }
});

test('content that is CRLF already passes as the very same bytes', () => {
  const guard = new LineGuard(LIMITS);
  const chunk = Buffer.from('Subject: x\r\n\r\nbody \xff\x80\r\n', 'latin1');
  assert.deepEqual(Buffer.from(guard.push(chunk)), chunk);
  assert.equal(guard.sizeBytes, chunk.length);
});

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof MailError) return `${error.reply.code} ${error.reply.enhanced}`;
    throw error;
  }
  return 'taken';
}

test('bare newlines are refused where the setting says so, also when they are cut in two', () => {
  const limits = { bareNewlines: 'refuse' as const };
  for (const chunks of [['a\nb'], ['a\rb'], ['a\r', 'b'], ['a\r'], ['\n'], ['a\r', '\r\n']]) {
    assert.equal(
      refusal(() => guarded(chunks, limits)),
      '550 5.5.2',
      JSON.stringify(chunks),
    );
  }
  assert.equal(
    refusal(() => guarded(['a\r', '\nb\r\n'], limits)),
    'taken',
  );
});

test('NUL is refused', () => {
  assert.equal(
    refusal(() => guarded(['a\0b'])),
    '550 5.6.0',
  );
});

test('size is counted after normalising', () => {
  assert.equal(
    refusal(() => guarded(['\n'.repeat(5)], { messageBytes: 10 })),
    'taken',
  );
  assert.equal(
    refusal(() => guarded(['\n'.repeat(6)], { messageBytes: 10 })),
    '552 5.3.4',
  );
});

test('Received fields are counted in the header section alone', () => {
  const field = 'Received: from a by b; date\r\n';
  assert.equal(
    refusal(() => guarded([`${field.repeat(5)}\r\n${field.repeat(9)}`])),
    'taken',
  );
  assert.equal(
    refusal(() => guarded([`${field.repeat(6)}\r\n`])),
    '554 5.4.6',
  );
  assert.equal(
    refusal(() => guarded([...`${field.repeat(6)}\r\n`])),
    '554 5.4.6',
    'byte by byte',
  );
});

test('of a header section beyond all measure only the top is looked at', () => {
  const field = 'Received: from a by b; date\r\n';
  const junk = 'A:\r\n'.repeat(16_384);
  const chunks = [...Array(17).fill(junk), field.repeat(6)];
  assert.equal(guarded(chunks, { messageBytes: 2 ** 30 }), chunks.join(''));
  assert.throws(() => guarded([field.repeat(6), ...chunks], { messageBytes: 2 ** 30 }), /Received fields/);
});

test('our own name in Received fields is counted, folded and in any case', () => {
  const ours = 'received : from a\r\n\tby MX.Example.Org (x) with ESMTP id 1; date\r\n';
  const others = 'Received: from mx.example.org by other.example; date\r\n';
  assert.equal(
    refusal(() => guarded([`${ours.repeat(2)}${others.repeat(2)}\r\n`])),
    'taken',
  );
  assert.equal(
    refusal(() => guarded([`${ours.repeat(3)}\r\n`])),
    '554 5.4.6',
  );
});

test('the first release mark of the header section is kept for the one who knows the key', () => {
  const guard = new LineGuard(LIMITS);
  guard.push(
    Buffer.from('Subject: x\r\nX-Postern-Release: one\r\nX-Postern-Release: two\r\n\r\nX-Postern-Release: body\r\n'),
  );
  assert.equal(guard.releaseMark, 'one');
  const other = new LineGuard(LIMITS);
  other.push(Buffer.from('Subject: x\r\n\r\nX-Postern-Release: body\r\n'));
  assert.equal(other.releaseMark, null);
});

test('a header line without end costs no memory', async () => {
  const guard = new LineGuard({ ...LIMITS, messageBytes: 1e9 });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const before = await heldBytes();
  for (let i = 0; i < 2000; i++) guard.push(chunk);
  assert.ok((await heldBytes()) - before < 8_000_000);
  assert.equal(guard.sizeBytes, 2000 * chunk.length);
});
