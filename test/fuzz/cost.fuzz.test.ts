// What a message may cost: no form of it takes more time than its size is worth, on the thread that reads it (views,
// summary, all shipped rules) or on the main thread, where everybody else waits meanwhile (guard, dots, forged fields).

import { join } from 'node:path';
import { test } from 'node:test';

import { DotStuffer } from '../../src/delivery/dot-stuffer.ts';
import { LineGuard } from '../../src/gateway/intake/line-guard.ts';
import { DotReader } from '../../src/gateway/smtp/dot-reader.ts';
import { HeaderFilter } from '../../src/mail/forged.ts';
import { DEFAULT_LIMITS } from '../../src/message/limits.ts';
import { readMessage } from '../../src/message/read.ts';
import { summarise } from '../../src/message/summary.ts';
import { markDigest } from '../../src/quarantine/mark-digest.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { contextOf } from '../../src/rules/example.ts';
import { loadRules } from '../../src/rules/load.ts';
import { trimSignatures } from '../../src/scanners/sender-auth/message-stream.ts';
import { rounds } from '../support/chance.ts';
import { assertCheap, cpuMs } from './cost.ts';
import { SHAPES } from './hostile-mail.ts';

const BYTES = 48 * 1024 * rounds(1);
const CHUNK = 64 * 1024;
const HOST = 'mx.example.com';

/** How many times as long as honest text of the size: what nobody notices beside other mail. */
const READING_MAX = 40;
/** The main thread's own passes, in times of one look at each byte; and what a fast machine may take all the same. */
const PASS_MAX = 100;
const PASS_FLOOR_MS = 50;

const GUARD = {
  messageBytes: 2 ** 30,
  receivedHeaders: 2 ** 30,
  ownReceived: 2 ** 30,
  bareNewlines: 'normalize',
  hostname: HOST,
} as const;

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

const PASSES: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  'the line guard': bytes => {
    const guard = new LineGuard(GUARD);
    for (const chunk of chunks(bytes)) guard.push(chunk);
    return guard.end();
  },
  'the dot reader': bytes => {
    const dots = new DotReader();
    for (const chunk of chunks(bytes)) if (dots.read(chunk).behind !== null) return;
  },
  'the dot stuffer': bytes => {
    const stuffer = new DotStuffer();
    for (const chunk of chunks(bytes)) stuffer.push(chunk);
    return stuffer.end();
  },
  'the filter of forged fields': bytes => {
    const filter = new HeaderFilter(HOST);
    for (const chunk of chunks(bytes)) filter.push(chunk);
    return filter.end();
  },
  'the digest of a release mark': async bytes =>
    markDigest(
      (async function* () {
        yield* chunks(bytes);
      })(),
    ),
  'the trimming of signatures': bytes => trimSignatures(bytes.toString('latin1'), 10),
};

test('no form of a message costs the reading thread more than its size is worth', async t => {
  const set = compileRules(loadRules([join(import.meta.dirname, '../../rules')]));
  const read = (bytes: Buffer) => {
    const message = readMessage(bytes, DEFAULT_LIMITS);
    set.match(message, contextOf({}));
    message.attachments();
    return summarise(message);
  };
  const honest = Buffer.from(
    `Subject: x\r\n\r\n${'Dear all, the minutes of the meeting: http://a.example/\r\n'.repeat(BYTES / 14)}`,
  );
  for (let i = 0; i < 5; i++) read(honest);
  const limitMs = (await cpuMs(() => [read(honest), read(honest), read(honest)])) / 3 + 1;
  t.diagnostic(`honest text of ${honest.length} bytes: ${limitMs.toFixed(1)} ms`);
  for (const { name, make } of SHAPES) {
    await assertCheap({
      name,
      make: bytes => Buffer.from(make(bytes), 'latin1'),
      work: read,
      bytes: BYTES,
      limitMs: limitMs * READING_MAX,
    });
  }
});

test('no form of a message holds the main thread up', async t => {
  const look = (bytes: Buffer) => {
    let sum = 0;
    for (let i = 0; i < bytes.length; i++) sum += bytes[i] ?? 0;
    return sum;
  };
  const bytes = Buffer.alloc(BYTES * 4 * 10, 'a');
  for (let i = 0; i < 5; i++) look(bytes);
  const limitMs = (await cpuMs(() => look(bytes))) / 10 + 0.1;
  t.diagnostic(`a look at ${BYTES * 4} bytes: ${limitMs.toFixed(2)} ms`);
  for (const { name, make } of SHAPES) {
    for (const [pass, work] of Object.entries(PASSES)) {
      await assertCheap({
        name: `${name}, ${pass}`,
        make: size => Buffer.from(make(size), 'latin1'),
        work,
        bytes: BYTES,
        limitMs: Math.max(limitMs * PASS_MAX, PASS_FLOOR_MS),
      });
    }
  }
});
