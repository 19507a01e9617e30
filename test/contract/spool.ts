// What every spool must do: run by spool-files.test.ts, and by each store of bytes that comes after it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';

import { MailError } from '../../src/mail/error.ts';
import type { MailId } from '../../src/mail/mail-id.ts';
import type { Spool } from '../../src/mail/ports.ts';
import { readWhole } from '../../src/platform/content.ts';
import { silentLog } from '../../src/platform/log.ts';
import { sweepSpool } from '../../src/spool/file-spool.ts';
import { envelope, newId, session } from '../support/sample-record.ts';

export interface SpoolUnderTest {
  readonly spool: Spool;
  /** From now on the disk says it has this many bytes left. */
  setFree(bytes: number): void;
}

export type OpenSpool = (t: TestContext) => Promise<SpoolUnderTest>;

const ENVELOPE = envelope('sender@example.org', ['a@example.com', '"odd local"@example.com']);

async function stored(spool: Spool, id: MailId, ...chunks: string[]) {
  const draft = await spool.create(id);
  for (const chunk of chunks) await draft.write(Buffer.from(chunk));
  return draft.seal(session(), ENVELOPE);
}

export function spoolContract(name: string, open: OpenSpool): void {
  test(`${name}: bytes, size, digest and envelope are those that came in`, async t => {
    const { spool } = await open(t);
    const id = newId();
    const draft = await spool.create(id);
    const from = session({ tls: null, ptr: null });
    // The second is not waited for: writes must still go one after another.
    void draft.write(Buffer.from('Subject: x\r\n'));
    void draft.write(Buffer.from('\r\nbody \xff\r\n', 'latin1'));
    const entry = await draft.seal(from, ENVELOPE);
    const bytes = Buffer.from('Subject: x\r\n\r\nbody \xff\r\n', 'latin1');
    assert.deepEqual(Buffer.from(await readWhole(entry.content)), bytes);
    assert.equal(entry.sizeBytes, bytes.length);
    assert.equal(entry.sha256, createHash('sha256').update(bytes).digest('hex'));
    assert.deepEqual(await spool.open(id), entry);
    assert.deepEqual(entry.envelope, ENVELOPE);
    assert.deepEqual(entry.session, from);
    assert.deepEqual(await spool.list(), [id]);
  });

  test(`${name}: a message without a byte is a message`, async t => {
    const { spool } = await open(t);
    const entry = await stored(spool, newId());
    assert.equal(entry.sizeBytes, 0);
    assert.deepEqual(await spool.open(entry.id), entry);
  });

  test(`${name}: until it is sealed it cannot be opened, after discard nothing is left`, async t => {
    const { spool } = await open(t);
    const id = newId();
    const draft = await spool.create(id);
    await draft.write(Buffer.from('x'));
    await assert.rejects(spool.open(id), error => error instanceof MailError && error.reply.code === 451);
    assert.deepEqual(await spool.list(), [id]);
    await draft.discard();
    await draft.discard();
    assert.deepEqual(await spool.list(), []);
    await assert.rejects(draft.write(Buffer.from('y')), MailError);
    await assert.rejects(draft.seal(session(), ENVELOPE), MailError);
  });

  test(`${name}: a sealed draft can still be discarded, but not written`, async t => {
    const { spool } = await open(t);
    const draft = await spool.create(newId());
    await draft.seal(session(), ENVELOPE);
    await assert.rejects(draft.write(Buffer.from('y')), MailError);
    assert.equal((await spool.list()).length, 1);
    await draft.discard();
    assert.deepEqual(await spool.list(), []);
  });

  test(`${name}: discard in the middle of a write waits and leaves nothing`, async t => {
    const { spool } = await open(t);
    const draft = await spool.create(newId());
    const written = draft.write(Buffer.alloc(5_000_000));
    await Promise.allSettled([draft.discard(), written]);
    assert.deepEqual(await spool.list(), []);
  });

  test(`${name}: an id is used once`, async t => {
    const { spool } = await open(t);
    const entry = await stored(spool, newId(), 'first');
    await assert.rejects(async () => {
      const draft = await spool.create(entry.id);
      await draft.write(Buffer.from('second'));
      await draft.seal(session(), ENVELOPE);
    }, MailError);
  });

  test(`${name}: remove is sure and may be called twice`, async t => {
    const { spool } = await open(t);
    const entry = await stored(spool, newId(), 'x');
    await spool.remove(entry.id);
    await spool.remove(entry.id);
    assert.deepEqual(await spool.list(), []);
    await assert.rejects(spool.open(entry.id), MailError);
  });

  test(`${name}: below its reserve it answers 452 and says so in health`, async t => {
    const { spool, setFree } = await open(t);
    assert.equal((await spool.health()).level, 'ok');
    setFree(10);
    await assert.rejects(spool.create(newId()), error => error instanceof MailError && error.reply.code === 452);
    const health = await spool.health();
    assert.equal(health.level, 'down');
    assert.match(health.next, /make room/);
    assert.deepEqual(await spool.list(), []);
  });

  test(`${name}: a large message that eats the reserve is given up, all of it`, async t => {
    const { spool, setFree } = await open(t);
    const draft = await spool.create(newId());
    await draft.write(Buffer.alloc(5_000_000));
    setFree(10);
    await assert.rejects(
      draft.write(Buffer.alloc(10)),
      error => error instanceof MailError && error.reply.code === 452,
    );
    assert.deepEqual(await spool.list(), []);
  });

  for (const id of ['../../etc/passwd', '', 'a/b', `${'0'.repeat(17)}/`, '0'.repeat(19), `${'0'.repeat(18)}\n`]) {
    test(`${name}: ${JSON.stringify(id)} is no id and becomes no path`, async t => {
      const { spool } = await open(t);
      // Whoever calls from outside the type system.
      const bad = id as MailId;
      for (const call of [() => spool.create(bad), () => spool.open(bad), () => spool.remove(bad)]) {
        await assert.rejects(call, /not an id/);
      }
    });
  }

  test(`${name}: the sweep removes what no row claims, and only that`, async t => {
    const { spool } = await open(t);
    const kept = await stored(spool, newId(), 'kept');
    const lost = await stored(spool, newId(), 'lost');
    const draft = await spool.create(newId());
    await draft.write(Buffer.from('half'));
    assert.equal(await sweepSpool(spool, async id => id === kept.id, silentLog()), 2);
    assert.deepEqual(await spool.list(), [kept.id]);
    await assert.rejects(spool.open(lost.id), MailError);
    await draft.discard();
  });
}
