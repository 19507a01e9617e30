// What every next hop keeps, whatever it is made of (port NextHop). Faults of the other side are tested with a fake one
// in test/unit/delivery; here real servers take real messages and give them back.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, type TestContext, test } from 'node:test';

import { type Address, parseAddress } from '../../src/mail/address.ts';
import type { Recipient, ReversePath } from '../../src/mail/envelope.ts';
import { HopLost } from '../../src/mail/error.ts';
import type { HopReply, HopTransaction, NextHop } from '../../src/mail/ports.ts';
import { REPLIES } from '../../src/mail/reply.ts';
import { heldBytes } from '../support/memory.ts';

export interface HopUnderTest {
  readonly hop: NextHop;
  /** What the address has, oldest first; waits until there are `count`. */
  received(address: string, count: number): Promise<readonly Buffer[]>;
  stop(): Promise<void>;
}

export interface ContractOptions {
  /** False: the tests are passed over. */
  readonly isThere: (t: TestContext) => boolean | Promise<boolean>;
  readonly start: () => Promise<HopUnderTest>;
  /** An address the hop refuses for good; null where it takes every one. */
  readonly refused: string | null;
}

/** These and no others have to exist at the hop. */
export const MAILBOXES = Array.from({ length: 40 }, (_, i) => `box${i + 1}@x.example`);

const LARGE_BYTES = 20 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Far below LARGE_BYTES, far above what is on its way at a time. */
const HELD_MAX_BYTES = 8 * 1024 * 1024;
const PLAIN = { smtpUtf8: false, body: '8BITMIME', declaredSize: null } as const;

const BODIES: readonly [string, string][] = [
  ['dots', '.\r\n..\r\n...\r\n.x\r\n x.\r\n.\r\n'],
  ['dots at the very end', 'a\r\n.\r\n.\r\n'],
  ['every 8-bit byte', `${String.fromCharCode(...Array.from({ length: 128 }, (_, i) => i + 128))}\r\n`],
  ['controls', '\x01\x02\x07\x08\x0b\x0c\x1b\x7f\r\n'],
  ['a line of 997 characters and one of 20000', `${'x'.repeat(997)}\r\n${'y'.repeat(20_000)}\r\n`],
  ['empty lines and spaces at line ends', '\r\n\r\n \r\na \t\r\n\r\n'],
  ['lines that look like commands', 'QUIT\r\nRSET\r\nDATA\r\nFrom x\r\n>From x\r\n'],
  ['nothing', ''],
];

export function nextHopContract(name: string, options: ContractOptions): void {
  describe(`next hop contract: ${name}`, () => {
    let under: HopUnderTest | null = null;
    let used = 0;
    const box = () => MAILBOXES[used++] ?? '';
    before(async () => {
      // before() has no way to skip: each test asks again and says why it is passed over.
      const isThere = await Promise.resolve(options.isThere(NOBODY)).catch(() => false);
      if (isThere) under = await options.start();
    });
    after(() => under?.stop());
    const check = (what: string, body: (hop: HopUnderTest) => Promise<void>) =>
      test(what, async t => {
        if (!(await options.isThere(t))) return;
        assert(under !== null);
        await body(under);
      });

    for (const [what, body] of BODIES) {
      check(`I2: bytes arrive as they are: ${what}`, async ({ hop, received }) => {
        const to = box();
        const sent = message(to, body);
        assert.equal((await deliver(hop, to, sent)).code, 250);
        const [got] = await received(to, 1);
        assertEndsWith(got, sent);
      });
    }

    check('the null sender is heard', async ({ hop, received }) => {
      const to = box();
      assert.equal((await deliver(hop, to, message(to, 'x\r\n'), { raw: '<>', address: null })).code, 250);
      assert.match(String((await received(to, 1))[0]), /^Return-Path: <>\r\n/);
    });

    const { refused } = options;
    const checkRefusal = refused === null ? () => undefined : check;
    checkRefusal('a refusal is mirrored, and the others get the message', async ({ hop, received }) => {
      const transaction = await hop.open(within());
      const to = box();
      await transaction.mail(sender('from@a.example'), PLAIN);
      const refusal = await transaction.rcpt(recipient(refused ?? ''));
      assert.equal(refusal.code, 550);
      assert.match(refusal.enhanced ?? '', /^5\.1\.1$/);
      assert.equal((await transaction.rcpt(recipient(to))).code, 250);
      const sent = message(to, 'x\r\n');
      assert.equal((await transaction.data(chunks(sent), within())).code, 250);
      transaction.release();
      assertEndsWith((await received(to, 1))[0], sent);
    });

    check(
      'several recipients of one transaction each get it, where it takes several; else the second is put off',
      async ({ hop, received }) => {
        const both = hop.oneRecipient ? [box()] : [box(), box()];
        const transaction = await hop.open(within());
        await transaction.mail(sender('from@a.example'), PLAIN);
        for (const to of both) assert.equal((await transaction.rcpt(recipient(to))).code, 250);
        if (hop.oneRecipient)
          await assert.rejects(transaction.rcpt(recipient(box())), { reply: REPLIES.otherTransaction });
        const sent = message('both', 'x\r\n');
        assert.equal((await transaction.data(chunks(sent), within())).code, 250);
        transaction.release();
        for (const to of both) assertEndsWith((await received(to, 1))[0], sent);
      },
    );

    check('a message whose source throws never arrives, and the next one does', async ({ hop, received }) => {
      const to = box();
      const transaction = await begin(hop, to);
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield message(to, 'this never ends\r\n');
        throw new Error('the client has gone');
      }
      const failure = await transaction.data(failing(), within()).catch((error: unknown) => error);
      assert(failure instanceof HopLost);
      assert.equal(failure.afterDot, false);
      transaction.release();
      const sent = message(to, 'this one does\r\n');
      await deliver(hop, to, sent);
      const got = await received(to, 1);
      assert.equal(got.length, 1);
      assertEndsWith(got[0], sent);
    });

    check('a transaction that was given up leaves nothing for the next', async ({ hop, received }) => {
      const [dropped, to] = [box(), box()];
      (await begin(hop, dropped)).release();
      await deliver(hop, to, message(to, 'x\r\n'));
      await received(to, 1);
      assert.equal((await received(dropped, 0)).length, 0);
    });

    check('ten at a time, five in a row: all arrive, none mixed up', async ({ hop, received }) => {
      const boxes = Array.from({ length: 10 }, box);
      await Promise.all(
        boxes.map(async to => {
          for (let i = 0; i < 5; i++) await deliver(hop, to, message(to, `${to} number ${i}\r\n`));
        }),
      );
      for (const to of boxes) {
        const bodies = (await received(to, 5)).map(got => /\r\n\r\n(.*)\r\n$/.exec(got.toString())?.[1]);
        assert.deepEqual(
          bodies.toSorted(),
          [0, 1, 2, 3, 4].map(i => `${to} number ${i}`),
        );
      }
    });

    check('I7: a message of 20 MB passes through in flat memory, whole', async ({ hop, received }) => {
      const to = box();
      const transaction = await begin(hop, to);
      const large = largeMessage();
      assert.equal((await transaction.data(large.source, within())).code, 250);
      transaction.release();
      assert(large.peakBytes() < HELD_MAX_BYTES, `held ${large.peakBytes()} bytes at a time`);
      const [got] = await received(to, 1);
      assertEndsWith(got, large.whole());
    });

    check('it says what it can do, and that it is well', async ({ hop }) => {
      assert.equal((await hop.health()).level, 'ok');
      const transaction = await hop.open(within());
      assert.equal(transaction.capabilities.eightBitMime, true);
      assert.equal(hop.capabilities()?.eightBitMime, true);
      assert.ok(hop.name.includes(transaction.host.replace(/ \(TLSv1\.[23]\)$/, '')));
      transaction.release();
      transaction.release();
    });
  });
}

/** Stands in for a test where only the answer counts. */
const NOBODY = { skip: () => undefined } as unknown as TestContext;

async function begin(hop: NextHop, to: string, from = sender('from@a.example')): Promise<HopTransaction> {
  const transaction = await hop.open(within());
  assert.equal((await transaction.mail(from, PLAIN)).code, 250);
  assert.equal((await transaction.rcpt(recipient(to))).code, 250);
  return transaction;
}

async function deliver(hop: NextHop, to: string, bytes: Buffer, from?: ReversePath): Promise<HopReply> {
  const transaction = await begin(hop, to, from);
  try {
    return await transaction.data(chunks(bytes), within());
  } finally {
    transaction.release();
  }
}

function message(subject: string, body: string): Buffer {
  return Buffer.from(`From: a@a.example\r\nSubject: ${subject}\r\nMessage-ID: <1@a.example>\r\n\r\n${body}`, 'latin1');
}

/** In pieces of odd sizes, so that every boundary falls somewhere else. */
async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size % 97) + 13) {
    yield bytes.subarray(at, Math.min(bytes.length, at + size));
  }
}

interface Large {
  readonly source: AsyncIterable<Uint8Array>;
  peakBytes(): number;
  whole(): Buffer;
}

/** Made as it is read; after the fact it can say what it was, and how much memory was held meanwhile. */
function largeMessage(): Large {
  const seed = randomBytes(48).toString('base64');
  const line = (i: number) => `${i % 7 === 0 ? '.' : ''}${seed} ${i}\r\n`;
  const head = message('large', '');
  let peak = 0;
  function* pieces(): Generator<Buffer> {
    yield head;
    for (let i = 0, sent = 0; sent < LARGE_BYTES; ) {
      let text = '';
      while (text.length < CHUNK_BYTES) text += line(i++);
      sent += text.length;
      yield Buffer.from(text);
    }
  }
  async function* source(): AsyncGenerator<Uint8Array> {
    const atStart = await heldBytes();
    let count = 0;
    for (const piece of pieces()) {
      yield piece;
      if (++count % 64 === 0) peak = Math.max(peak, (await heldBytes()) - atStart);
    }
  }
  return { source: source(), peakBytes: () => peak, whole: () => Buffer.concat([...pieces()]) };
}

function assertEndsWith(got: Buffer | undefined, sent: Buffer): void {
  assert(got !== undefined, 'nothing arrived');
  const tail = got.subarray(Math.max(0, got.length - sent.length));
  if (!tail.equals(sent)) assert.equal(tail.toString('latin1').slice(0, 2000), sent.toString('latin1').slice(0, 2000));
  assert(tail.equals(sent), 'the bytes differ');
}

function within(): AbortSignal {
  return AbortSignal.timeout(30_000);
}

function sender(text: string): ReversePath {
  return { raw: `<${text}>`, address: address(text) };
}

function recipient(text: string): Recipient {
  return { raw: `<${text}>`, address: address(text) };
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert(parsed !== null);
  return parsed;
}
