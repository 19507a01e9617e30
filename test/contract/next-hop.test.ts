// The next hops that we have, against real servers: Postfix with Dovecot behind it, Dovecot by LMTP, our own Maildir.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';

import { createNextHop } from '../../src/delivery/next-hop.ts';
import { parseAddress } from '../../src/mail/address.ts';
import type { NextHop } from '../../src/mail/ports.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Dovecot, fetchByImap, fetchByPop3, startDovecot, waitForMail } from '../support/dovecot.ts';
import { selfSigned } from '../support/fake-hop.ts';
import { needsPostfix, startPostfix } from '../support/postfix.ts';
import { needs, passOver } from '../support/require.ts';
import { type HopUnderTest, MAILBOXES, nextHopContract } from './next-hop.ts';

const REFUSED = 'nobody@x.example';

function hopTo(host: string, tls: 'may' | 'must' = 'may'): NextHop {
  return createNextHop({ hosts: [host], tls, hostname: 'gateway.example', log: silentLog() });
}

function needsDovecot(t: TestContext): boolean {
  if (!needs(t, 'dovecot', 'openssl')) return false;
  return process.getuid?.() === 0 ? true : passOver(t, 'not root, which Dovecot needs');
}

function readBy(dovecot: Dovecot): HopUnderTest['received'] {
  return (address, count) =>
    count === 0 ? fetchByImap(dovecot.imapPort, address) : waitForMail(dovecot.imapPort, address, count);
}

nextHopContract('Postfix by SMTP and STARTTLS, Dovecot behind it', {
  isThere: async t => (await needsPostfix(t)) && needsDovecot(t),
  refused: REFUSED,
  start: async () => {
    const dovecot = await startDovecot({ users: MAILBOXES });
    const postfix = await startPostfix({
      transport: `lmtp:inet:127.0.0.1:${dovecot.lmtpPort}`,
      mailboxes: MAILBOXES,
      tls: selfSigned(),
      // Postfix would fold the long line on its way to Dovecot.
      settings: { lmtp_line_length_limit: '0' },
    }).catch(async error => {
      await dovecot.stop();
      throw error;
    });
    const hop = hopTo(`smtp://127.0.0.1:${postfix.port}`, 'must');
    const stop = async () => {
      await hop.close();
      await postfix.stop();
      await dovecot.stop();
    };
    return { hop, received: readBy(dovecot), stop };
  },
});

for (const [what, hostOf] of [
  ['TCP', (dovecot: Dovecot) => `lmtp://127.0.0.1:${dovecot.lmtpPort}`],
  ['a unix socket', (dovecot: Dovecot) => `lmtp:${dovecot.lmtpSocket}`],
] as const) {
  nextHopContract(`Dovecot by LMTP over ${what}`, {
    isThere: needsDovecot,
    refused: REFUSED,
    start: async () => {
      const dovecot = await startDovecot({ users: MAILBOXES });
      const hop = hopTo(hostOf(dovecot));
      const stop = async () => {
        await hop.close();
        await dovecot.stop();
      };
      return { hop, received: readBy(dovecot), stop };
    },
  });
}

test('IMAP and POP3 give the same bytes, dots at the start of lines too', async t => {
  if (!needsDovecot(t)) return;
  const dovecot = await startDovecot();
  t.after(() => dovecot.stop());
  const hop = hopTo(`lmtp:${dovecot.lmtpSocket}`);
  t.after(() => hop.close());
  const signal = AbortSignal.timeout(20_000);
  const transaction = await hop.open(signal);
  const address = parseAddress('both@x.example');
  assert(address !== null);
  await transaction.mail({ raw: '<>', address: null }, { smtpUtf8: false, body: '8BITMIME', declaredSize: null });
  await transaction.rcpt({ raw: '', address });
  const sent = Buffer.from('Subject: x\r\n\r\n.\r\n..\r\n\xff\r\n', 'latin1');
  await transaction.data(Readable.from([sent]), signal);
  transaction.release();
  const byImap = await waitForMail(dovecot.imapPort, address.text);
  assert(byImap[0]?.subarray(-sent.length).equals(sent));
  assert.deepEqual(await fetchByPop3(dovecot.pop3Port, address.text), byImap);
});

nextHopContract('maildir, the demo mailbox', {
  isThere: () => true,
  refused: null,
  start: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-mailbox-'));
    const hop = hopTo(`maildir:${folder}`);
    const received = async (address: string) => {
      const names = (await readdir(join(folder, 'new'))).toSorted();
      const all = await Promise.all(names.map(name => readFile(join(folder, 'new', name))));
      return all.filter(bytes => bytes.subarray(0, 1000).includes(`Delivered-To: ${address}\r\n`));
    };
    return { hop, received, stop: () => rm(folder, { recursive: true }) };
  },
});
