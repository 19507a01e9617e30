// DATA on its way to the spool: whose time is whose, when the pace is judged.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { takeIn } from '../../../../src/gateway/intake/intake.ts';
import { LineGuard } from '../../../../src/gateway/intake/line-guard.ts';
import { MailError } from '../../../../src/mail/error.ts';
import type { SpoolDraft } from '../../../../src/mail/ports.ts';
import { TEST_RULES } from '../../../support/gateway.ts';

const WINDOW_MS = 60_000;
const LIMITS = { dataMs: 3_600_000, minimumRate: 100, rateWindowMs: WINDOW_MS, drainBytes: 1000 };

/** Lets promises that are ready go on, without any time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A message whose pieces come when told, into a spool that writes when told, under a clock that stands still. */
function intake(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  let give: (piece: Uint8Array | null) => void = () => undefined;
  let write: (() => void) | null = null;
  const incoming = (async function* () {
    for (;;) {
      const piece = await new Promise<Uint8Array | null>(resolve => {
        give = resolve;
      });
      if (piece === null) return;
      yield piece;
    }
  })();
  const draft: SpoolDraft = {
    write: bytes =>
      bytes.length === 0
        ? Promise.resolve()
        : new Promise(resolve => {
            write = resolve;
          }),
    seal: () => Promise.reject(new Error('not here')),
    discard: async () => undefined,
  };
  let end = 'under way';
  const taken = takeIn(incoming, draft, new LineGuard(TEST_RULES.guard), LIMITS).then(
    () => {
      end = 'taken';
    },
    (error: unknown) => {
      end = error instanceof MailError ? error.reply.text : String(error);
    },
  );
  return {
    end: () => end,
    taken,
    async client(piece: string | null) {
      give(piece === null ? null : Buffer.from(piece));
      await settle();
    },
    async disk() {
      assert.ok(write !== null, 'something is being written');
      write();
      write = null;
      await settle();
    },
    async pass(ms: number) {
      now += ms;
      t.mock.timers.tick(ms);
      await settle();
    },
  };
}

test('a disk that pauses for minutes is not the slowness of the client', async t => {
  const { client, disk, pass, end, taken } = intake(t);
  await settle();
  await client('Subject: x\r\n\r\n');
  for (let i = 0; i < 5; i++) await pass(WINDOW_MS);
  await disk();
  await pass(10_000);
  await client('body\r\n');
  for (let i = 0; i < 5; i++) await pass(WINDOW_MS);
  assert.equal(end(), 'under way');
  await disk();
  await client(null);
  await taken;
  assert.equal(end(), 'taken');
});

test('a client that drips is cut off after its minute, however slow the disk was before', async t => {
  const { client, disk, pass, end, taken } = intake(t);
  await settle();
  await client('Subject: x\r\n\r\n');
  await pass(WINDOW_MS);
  await pass(WINDOW_MS);
  await disk();
  await pass(WINDOW_MS - 1);
  assert.equal(end(), 'under way');
  await pass(WINDOW_MS);
  await taken;
  assert.match(end(), /too slowly/);
});

test('one brisk minute does not pay for the next', async t => {
  const { client, disk, pass, end, taken } = intake(t);
  await settle();
  await client(`Subject: x\r\n\r\n${'y'.repeat(70)}\r\n`.repeat(500));
  await disk();
  await pass(WINDOW_MS);
  assert.equal(end(), 'under way');
  await pass(WINDOW_MS);
  await taken;
  assert.match(end(), /too slowly/);
});
