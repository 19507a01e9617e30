// The two Redis servers killed and stopped. Without the queue no mail is taken, at once and for as long as it lasts;
// without the memory mail flows (DESIGN section 8).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { childPid, childrenOf, endChildrenAfter } from '../support/children.ts';
import { startFakeClamd } from '../support/fake-clamd.ts';
import { type FakeHop, startFakeHop } from '../support/fake-hop.ts';
import { healthOf, partOf } from '../support/health.ts';
import { openMail } from '../support/open-mail.ts';
import { type RunningPostern, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

/** Far longer than anything here takes: what is "at once" is not this. */
const SCAN_DEADLINE_S = 60;
const AT_ONCE_MS = 10_000;
const NOT_READY = /^451 4\.3\.0 /;

test('the queue’s Redis away: 451 at once, nothing lost in between, and back by itself', async t => {
  if (!needs(t, 'redis-server')) return;
  const clamd = await startFakeClamd('ok');
  t.after(() => clamd.stop());
  const { hop, postern, data } = await start(t, `clamav: {address: "127.0.0.1:${clamd.address.port}"}`);
  const pid = () => childPid(data, 'redis-queue');
  const send = (subject: string) => sendMail(postern.port, { content: message(subject, 'hello') });
  assert.match(await send('before'), /^250 /);

  await t.test('stopped: 451 at MAIL, long before the scan’s deadline', async () => {
    const stopped = pid();
    process.kill(stopped, 'SIGSTOP');
    try {
      await atOnce('451', async () => assert.match(await send('stopped'), NOT_READY));
      await waitFor('451 at MAIL', async () => NOT_READY.test(await atMail(postern)));
      await waitFor('health to say so', async () => (await partOf(postern, 'scan queue'))?.level === 'down');
      assert.equal((await healthOf(postern)).status, 503);
    } finally {
      process.kill(stopped, 'SIGCONT');
    }
    await waitFor('mail to flow again', async () => (await send('thawed')).startsWith('250'));
    assert.equal(pid(), stopped);
  });

  await t.test('killed: 451 at MAIL at once, and a new one by itself', async () => {
    const killed = pid();
    process.kill(killed, 'SIGKILL');
    await atOnce('451', async () => assert.match(await send('killed'), NOT_READY));
    await waitFor('mail to flow again', async () => (await send('again')).startsWith('250'), 30_000);
    assert.notEqual(pid(), killed);
    await waitFor('health to be well', async () => (await partOf(postern, 'scan queue'))?.level === 'ok');
  });

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    await t.test(`${signal} during a scan: the message is finished or deferred, never answered and lost`, async () => {
      clamd.mode = 'stall';
      const before = { clamd: clamd.connections, hop: hop.messages.length };
      const mail = await openMail(postern.port, 'user@example.org');
      await mail.finish(message(`during a scan ${signal}`, 'hello'));
      const reply = mail.reply().finally(() => mail.destroy());
      await waitFor('clamd to have the message', () => clamd.connections > before.clamd);
      const victim = pid();
      process.kill(victim, signal);
      await waitFor('the queue to be away', async () => NOT_READY.test(await atMail(postern)));
      clamd.answer();
      if (signal === 'SIGSTOP') process.kill(victim, 'SIGCONT');
      clamd.mode = 'ok';
      const said = await reply;
      assert.match(said, /^(?:250 |451 4\.)/);
      assert.equal(hop.messages.length - before.hop, said.startsWith('250') ? 1 : 0, said);
      await waitFor('mail to flow again', async () => (await send('after')).startsWith('250'), 30_000);
    });
  }

  await postern.stop();
  assert.equal(postern.child.exitCode, 0);
});

test('the memory’s Redis away: mail flows, and health says what is missing', async t => {
  if (!needs(t, 'redis-server')) return;
  const { hop, postern, data } = await start(t, 'clamav: {enabled: false}');
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
    await t.test(signal, async () => {
      const victim = childPid(data, 'redis-memory');
      process.kill(victim, signal);
      const passed = hop.messages.length;
      try {
        await atOnce('mail', async () => {
          for (const subject of ['one', 'two', 'three']) {
            assert.match(await sendMail(postern.port, { content: message(subject, 'hello') }), /^250 /);
          }
        });
        assert.equal(hop.messages.length, passed + 3);
        if (signal === 'SIGSTOP') {
          await waitFor('health to say so', async () => (await partOf(postern, 'redis-memory'))?.level !== 'ok');
          await waitFor('health to say so', async () => (await partOf(postern, 'rates'))?.level === 'degraded');
          const health = await healthOf(postern);
          assert.deepEqual([health.level, health.status], ['degraded', 200], 'mail flows: a warning, no alarm');
        }
      } finally {
        if (signal === 'SIGSTOP') process.kill(victim, 'SIGCONT');
      }
      await waitFor('clients to be counted again', async () => {
        await sendMail(postern.port, { content: message('counted', 'hello') });
        return (await partOf(postern, 'rates'))?.level === 'ok';
      });
      await waitFor('it to be back', async () => (await partOf(postern, 'redis-memory'))?.level === 'ok');
    });
  }
});

test('SIGTERM while Redis is away ends the gateway all the same', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern, data } = await start(t, 'clamav: {enabled: false}');
  for (const name of ['redis-queue', 'redis-memory'] as const) process.kill(childPid(data, name), 'SIGKILL');
  await postern.stop();
  assert.equal(postern.child.exitCode, 0, postern.log());
  assert.deepEqual([...childrenOf(data)], []);
});

async function start(t: TestContext, clamav: string): Promise<{ hop: FakeHop; postern: RunningPostern; data: string }> {
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      'diskReserve: 0B',
      `timeouts: {scan: ${SCAN_DEADLINE_S}s}`,
      `scanners: {${clamav}, senderAuth: {enabled: false}, dnsLists: {enabled: false}}`,
    ].join('\n'),
  });
  const data = join(postern.folder, 'data');
  endChildrenAfter(t, data);
  return { hop, postern, data };
}

/** The reply of a sender who comes as far as MAIL. */
async function atMail(postern: RunningPostern): Promise<string> {
  return sendMail(postern.port, { to: [], content: '' });
}

async function atOnce(what: string, work: () => Promise<void>): Promise<void> {
  const since = performance.now();
  await work();
  const ms = performance.now() - since;
  assert.ok(ms < AT_ONCE_MS, `${what} came after ${Math.round(ms)} ms; the scan's deadline is ${SCAN_DEADLINE_S} s`);
}
