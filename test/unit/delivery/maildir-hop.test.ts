import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { HopLost, MailError } from '../../../src/mail/error.ts';
import { bytes, deliver, hopTo, MESSAGE, NULL_SENDER, PLAIN, ready, recipient, within } from './hop-kit.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-maildir-'));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, 'mailbox');
}

test('a message arrives as one file in new, with its envelope on top and its bytes below', async t => {
  const folder = await folderOf(t);
  const hop = hopTo(t, [`maildir:${folder}`]);
  const transaction = await hop.open(within());
  assert.equal((await transaction.mail(NULL_SENDER, PLAIN)).code, 250);
  assert.equal((await transaction.rcpt(recipient('a@x.example'))).code, 250);
  assert.equal((await transaction.rcpt(recipient('ä@x.example'))).code, 250);
  const reply = await transaction.data(bytes('Subject: x\r\n', '\r\n.\r\n\xff\r\n'), within());
  transaction.release();
  const [name, ...others] = await readdir(join(folder, 'new'));
  assert.deepEqual(others, []);
  assert.deepEqual(reply, { code: 250, enhanced: '2.0.0', text: `Ok: queued as ${name}` });
  assert.match(name ?? '', /^\d+\.M\d+P\d+R[0-9a-f]{16}\.gateway\.example$/);
  const head = 'Return-Path: <>\r\nDelivered-To: a@x.example\r\nDelivered-To: ä@x.example\r\n';
  const expected = Buffer.concat([Buffer.from(head), Buffer.from('Subject: x\r\n\r\n.\r\n\xff\r\n', 'latin1')]);
  assert.deepEqual(await readFile(join(folder, 'new', name ?? '')), expected);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);
});

test('it says what it can do before anything was sent, and is well', async t => {
  const hop = hopTo(t, [`maildir:${await folderOf(t)}`]);
  assert.deepEqual(hop.capabilities(), { sizeBytes: null, eightBitMime: true, smtpUtf8: true });
  assert.equal(hop.oneRecipient, false);
  assert.equal((await hop.health()).level, 'ok');
});

test('many at once get a file each', async t => {
  const folder = await folderOf(t);
  const hop = hopTo(t, [`maildir:${folder}`]);
  await Promise.all(Array.from({ length: 50 }, () => deliver(hop)));
  assert.equal((await readdir(join(folder, 'new'))).length, 50);
});

test('a source that throws, or an abort, leaves nothing behind', async t => {
  const folder = await folderOf(t);
  const hop = hopTo(t, [`maildir:${folder}`]);
  const control = new AbortController();
  async function* throwing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(MESSAGE);
    throw new Error('the client has gone');
  }
  async function* hanging(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(MESSAGE);
    control.abort();
    await new Promise(() => undefined);
  }
  async function* aborting(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(MESSAGE);
    control.abort();
  }
  for (const source of [throwing, hanging, aborting]) {
    const transaction = await ready(hop);
    const failure = await transaction.data(source(), control.signal).catch((error: unknown) => error);
    assert(failure instanceof HopLost);
    assert.equal(failure.afterDot, false);
    transaction.release();
  }
  assert.deepEqual([await readdir(join(folder, 'tmp')), await readdir(join(folder, 'new'))], [[], []]);
});

test('commands out of order are refused', async t => {
  const transaction = await hopTo(t, [`maildir:${await folderOf(t)}`]).open(within());
  assert.equal((await transaction.rcpt(recipient('a@x.example'))).code, 503);
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 503);
  await transaction.mail(NULL_SENDER, PLAIN);
  assert.equal((await transaction.mail(NULL_SENDER, PLAIN)).code, 503);
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 503);
});

test('a folder that cannot be made: 451 at once, and health says so', async t => {
  const folder = await folderOf(t);
  await writeFile(folder, 'a file');
  const hop = hopTo(t, [`maildir:${folder}`]);
  await assert.rejects(hop.open(within()), MailError);
  const health = await hop.health();
  assert.equal(health.level, 'down');
  assert.match(health.next, /make the folder writable/);
});

test('a folder that went away in the meantime: 451, nothing thrown', async t => {
  const folder = await folderOf(t);
  const transaction = await ready(hopTo(t, [`maildir:${folder}`]));
  await rm(folder, { recursive: true });
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 451);
});
