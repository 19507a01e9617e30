// The whole way with the real things before and behind: SMTP in, Postern, Postfix, Dovecot, and out by IMAP and POP3.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { dkimSign, dkimVerify } from 'mailauth';
import { fetchByPop3, startDovecot, waitForMail } from '../support/dovecot.ts';
import { startPostern } from '../support/postern.ts';
import { needsPostfix, startPostfix } from '../support/postfix.ts';
import { needs } from '../support/require.ts';
import { GTUBE, idOf, message, sendMail, withEicar } from '../support/send.ts';
import { startUnbound } from '../support/unbound.ts';
import { waitFor } from '../support/wait-for.ts';

test('signed mail comes out of IMAP and POP3 as the same bytes, still valid; GTUBE and EICAR do not', async t => {
  if (!needs(t, 'redis-server', 'clamd', 'dovecot', 'unbound') || !(await needsPostfix(t))) return;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyRecord = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`;
  const unbound = await startUnbound([
    `s._domainkey.sender.example. 60 IN TXT ${txt(keyRecord)}`,
    '_dmarc.sender.example. 60 IN TXT "v=DMARC1; p=reject"',
  ]);
  t.after(() => unbound.stop());
  const dovecot = await startDovecot({ users: ['user@example.org'] });
  t.after(() => dovecot.stop());
  const transport = `lmtp:inet:127.0.0.1:${dovecot.lmtpPort}`;
  const postfix = await startPostfix({ transport, domains: ['example.org'], mailboxes: ['user@example.org'] });
  t.after(() => postfix.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "smtp://127.0.0.1:${postfix.port}"}}`,
      `dns: {servers: ["${unbound.server}"]}`,
      'scanners: {dnsLists: {lists: []}}',
    ].join('\n'),
  });

  await waitFor('clamd', () => /"child":"clamd".*child is ready/.test(postern.log()), 60_000);
  const unsigned = message('Signed mail', '. a line with a dot\r\n..and two\r\nübermäßig\r\n\r\n', [
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    'X-Postern-Report: forged by the sender',
    'Authentication-Results: mx.example.org; spf=pass (forged) smtp.mailfrom=bank.example',
    'Authentication-Results: other.example; spf=pass smtp.mailfrom=sender.example',
  ]);
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const key = { signingDomain: 'sender.example', selector: 's', privateKey: pem };
  const signatures = await dkimSign(Buffer.from(unsigned), {
    // The types ask for these three, the code for signatureData.
    ...key,
    signatureData: [{ ...key, canonicalization: 'simple/simple' }],
  });
  const signed = `${signatures.signatures}${unsigned}`;
  const reply = await sendMail(postern.port, { content: signed, address: '127.0.0.77' });
  assert.match(reply, /^250 2\.\d\.\d Message accepted/);

  const [byImap] = await waitForMail(dovecot.imapPort, 'user@example.org');
  const [byPop3] = await fetchByPop3(dovecot.pop3Port, 'user@example.org');
  assert.ok(byImap !== undefined && byPop3 !== undefined);
  const honest = signed
    .replace(/^X-Postern-Report: forged by the sender\r\n/m, '')
    .replace(/^Authentication-Results: mx\.example\.org.*\r\n/m, '');
  for (const [how, bytes] of [
    ['IMAP', byImap],
    ['POP3', byPop3],
  ] as const) {
    const text = bytes.toString('utf8');
    assert.ok(text.endsWith(honest), `${how}: below our headers stand the very bytes that were sent`);
    const ours = text.slice(0, -honest.length);
    assert.match(ours, /^Authentication-Results: mx\.example\.org;/m);
    assert.match(ours, /dkim=pass/);
    assert.match(ours, /dmarc=pass/);
    assert.match(ours, /^X-Spam-Status: No, score=/m);
    assert.doesNotMatch(text, /forged by the sender/);
    const verified = await dkimVerify(bytes, { resolver: async () => [[keyRecord]] });
    assert.equal(verified.results[0]?.status.result, 'pass', `${how}: the signature still holds`);
  }

  const spam = await sendMail(postern.port, { content: message('Test spam', GTUBE) });
  assert.match(spam, /^550 5\.7\.1 /);
  const virus = await sendMail(postern.port, { content: withEicar('Test virus') });
  assert.match(virus, /^250 /, 'held: ours');
  const last = await sendMail(postern.port, { content: message('The last one', 'hello') });
  assert.match(last, /^250 /);
  const arrived = await waitForMail(dovecot.imapPort, 'user@example.org', 2);
  const subjects = arrived.map(bytes => /^Subject: (.*)\r$/m.exec(bytes.toString())?.[1]);
  assert.deepEqual(subjects, ['Signed mail', 'The last one']);

  const good = await postern.cli('trace', idOf(reply));
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /relayed/);
  assert.match(good.stdout, /250 2\.0\.0 .*queued as/i, 'the next hop’s own words');
  assert.match((await postern.cli('trace', idOf(spam))).stdout, /refused/);
  const bad = await postern.cli('trace', idOf(virus));
  assert.match(bad.stdout, /held/);
  assert.match(bad.stdout, /eicar/i);
  assert.match((await postern.cli('trace', 'user@example.org')).stdout, /Test virus/);

  const listed = await postern.cli('quarantine', 'list', '--json');
  const items: { copyId: string }[] = listed.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.equal(items.length, 1);
  const held = items[0]?.copyId ?? '';
  const released = await postern.cli('quarantine', 'release', held);
  assert.equal(released.code, 0, released.stderr);
  assert.match(released.stdout, /250 2\.0\.0 .*queued as/i, 'release prints the next hop’s own reply');
  const again = await postern.cli('quarantine', 'release', held);
  assert.equal(again.code, 1, 'a second release does not happen by accident');
  const three = await waitForMail(dovecot.imapPort, 'user@example.org', 3);
  assert.match(three[2]?.toString() ?? '', /^Subject: Test virus\r$/m);
});

/** A TXT record longer than 255 characters is several strings. */
function txt(value: string): string {
  return (value.match(/.{1,200}/g) ?? []).map(piece => `"${piece}"`).join(' ');
}
