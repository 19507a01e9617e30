// A released copy that comes back to us: not filtered a second time, once, and for nobody who has not the key. And the
// trusted listener, which takes mail for anywhere, from its networks only.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { idOf, message, sendMail, withEicar } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

test('a release mark lets a copy pass once, and only the copy it was made for', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      'scanners: {senderAuth: {enabled: false}, dnsLists: {enabled: false}}',
    ].join('\n'),
  });
  await waitFor('clamd', () => /"child":"clamd".*child is ready/.test(postern.log()), 60_000);
  const held = idOf(await sendMail(postern.port, { content: withEicar('A virus') }));
  assert.equal(hop.messages.length, 0);
  const released = await postern.cli('quarantine', 'release', `${held}-1`);
  assert.equal(released.code, 0, released.stderr);
  const copy = hop.messages[0]?.bytes;
  assert.ok(copy !== undefined);
  assert.match(copy.toString(), /^X-Postern-Release: /m);

  await t.test('I4: the copy that comes back for somebody else is judged', async () => {
    const reply = await sendMail(postern.port, { to: 'other@example.org', content: copy });
    assert.match((await postern.cli('trace', idOf(reply))).stdout, /held/);
    assert.equal(hop.messages.length, 1);
  });

  await t.test('I4: other content under the same mark is judged', async () => {
    const mark = /^X-Postern-Release: .*\r\n/m.exec(copy.toString('latin1'))?.[0] ?? '';
    assert.notEqual(mark, '');
    const reply = await sendMail(postern.port, { content: `${mark}${withEicar('Another virus')}more\r\n` });
    assert.match((await postern.cli('trace', idOf(reply))).stdout, /held/);
    assert.equal(hop.messages.length, 1);
  });

  await t.test('I4: a try that the next hop defers leaves the mark to the next try', async () => {
    hop.steps = { dot: '451 4.2.0 not now' };
    assert.match(await sendMail(postern.port, { content: copy }), /^451 /);
    hop.steps = {};
    // It was offered, unfiltered.
    assert.equal(hop.messages.length, 2);
  });

  await t.test('I4: the copy that comes back is passed on, without the mark', async () => {
    const reply = await sendMail(postern.port, { content: copy });
    assert.match((await postern.cli('trace', idOf(reply))).stdout, /relayed/);
    assert.equal(hop.messages.length, 3);
    assert.doesNotMatch(hop.messages[2]?.bytes.toString() ?? '', /X-Postern-Release/);
  });

  await t.test('I4: a second time the same mark is worth nothing', async () => {
    const reply = await sendMail(postern.port, { content: copy });
    assert.match((await postern.cli('trace', idOf(reply))).stdout, /held/);
    assert.equal(hop.messages.length, 3);
  });

  await t.test('I4: a mark that somebody made up is worth nothing', async () => {
    const content = `X-Postern-Release: ${held}-1.1; ${'0'.repeat(64)}\r\n${withEicar('A virus with a mark')}`;
    const reply = await sendMail(postern.port, { content });
    assert.match((await postern.cli('trace', idOf(reply))).stdout, /held/);
    assert.equal(hop.messages.length, 3);
  });
});

test('I6: the trusted listener takes mail for anywhere, the public one for its domains', async t => {
  if (!needs(t, 'redis-server')) return;
  const [inside, smarthost] = [await startFakeHop(), await startFakeHop()];
  t.after(() => Promise.all([inside.stop(), smarthost.stop()]));
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${inside.smtp}"}}`,
      `outgoing: {nextHop: "${smarthost.smtp}"}`,
      RULES_ALONE,
    ].join('\n'),
  });
  const abroad = { from: 'user@example.org', to: 'friend@elsewhere.example', content: message('going out', 'x') };
  assert.match(await sendMail(postern.port, abroad), /^550 5\.7\.1 Relaying denied/);
  assert.match(await sendMail(postern.trustedPort, abroad), /^250 /);
  assert.deepEqual([inside.messages.length, smarthost.messages.length], [0, 1]);
  assert.match(await sendMail(postern.trustedPort, { content: message('staying in', 'x') }), /^250 /);
  assert.deepEqual([inside.messages.length, smarthost.messages.length], [1, 1]);
});
