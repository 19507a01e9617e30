// clamd killed, stopped, and talking rubbish: what it has not answered never counts as clean (I8; DESIGN section 8).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasSignatures } from '../../src/platform/clamd.ts';
import { childPid, endChildrenAfter } from '../support/children.ts';
import { type ClamdMode, startFakeClamd } from '../support/fake-clamd.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { partOf } from '../support/health.ts';
import { startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { idOf, message, sendMail, withEicar } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const NOT_CHECKED = /^451 4\.7\.1 /;
const OTHERS_OFF = 'senderAuth: {enabled: false}, dnsLists: {enabled: false}';

test('I8: the embedded clamd killed or stopped: mail is deferred, and flows again when it is back', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      'diskReserve: 0B',
      `scanners: {clamav: {deadline: 1s}, ${OTHERS_OFF}}`,
    ].join('\n'),
  });
  const data = join(postern.folder, 'data');
  endChildrenAfter(t, data);
  const send = () => sendMail(postern.port, { content: message('to be checked', 'hello') });
  const hasStarted = () => /"child":"clamd".*child is ready/.test(postern.log());
  await waitFor('clamd to have started', hasStarted, 60_000);
  assert.match(await send(), /^250 /);

  await t.test('killed', async () => {
    const pid = childPid(data, 'clamd');
    const passed = hop.messages.length;
    process.kill(pid, 'SIGKILL');
    // Nobody has noticed yet: the message meets the dead scanner.
    assert.match(await send(), NOT_CHECKED);
    assert.equal(hop.messages.length, passed, 'what was not checked is not passed on');
    await waitFor('health to say so', async () => (await partOf(postern, 'clamav'))?.level === 'down');
    await waitFor('mail to flow again', async () => (await send()).startsWith('250'), 60_000);
    assert.notEqual(childPid(data, 'clamd'), pid);
    assert.match(await sendMail(postern.port, { content: withEicar('virus') }), /^250 /);
    const held = await postern.cli('quarantine', 'list', '--json');
    assert.match(held.stdout, /"class":"virus"/);
  });

  await t.test('stopped', async () => {
    const pid = childPid(data, 'clamd');
    const passed = hop.messages.length;
    process.kill(pid, 'SIGSTOP');
    try {
      const since = performance.now();
      assert.match(await send(), NOT_CHECKED);
      // Its deadline is 1 s; a busy machine may take some more, clamd would take for ever.
      assert.ok(performance.now() - since < 15_000, 'cut off at its deadline');
      assert.equal(hop.messages.length, passed);
      await waitFor('health to say so', async () => (await partOf(postern, 'clamav'))?.level === 'down');
      const story = await postern.cli('trace', 'user@example.org', '--limit', '1', '--json');
      assert.match(story.stdout, /"state":"deferred"/);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await waitFor('mail to flow again', async () => (await send()).startsWith('250'), 60_000);
    assert.equal(childPid(data, 'clamd'), pid, 'the same one goes on');
  });
  await postern.stop();
  assert.equal(postern.child.exitCode, 0);
});

test('I8: the embedded clamd without virus signatures: the policy decides, and the log says what to do', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      'domains:',
      `  example.org: {nextHop: "${hop.smtp}"}`,
      `  example.net: {nextHop: "${hop.smtp}", policy: open}`,
      'policies: {open: {unavailable: {clamav: accept}}}',
      'diskReserve: 0B',
      `scanners: {${OTHERS_OFF}}`,
    ].join('\n'),
    environment: { POSTERN_TEST_SIGNATURES: '' },
  });
  endChildrenAfter(t, join(postern.folder, 'data'));
  const send = (to: string, content: Buffer | string) => sendMail(postern.port, { to, content });
  await waitFor('clamd to have started', () => /"child":"clamd".*child is ready/.test(postern.log()), 120_000);
  // A machine where freshclam has run: then it must not say so.
  const hasSome = await hasSignatures('/var/lib/clamav');
  assert.equal(/"msg":"no virus signatures"/.test(postern.log()), !hasSome);
  if (hasSome) return assert.match(await send('user@example.org', message('to be checked', 'hello')), /^250 /);
  assert.match(await send('user@example.org', message('to be checked', 'hello')), NOT_CHECKED);
  assert.equal(hop.messages.length, 0);
  assert.match(await send('user@example.net', message('to be checked', 'hello')), /^250 /);
  assert.match(hop.messages[0]?.bytes.toString() ?? '', /unavailable=clamav/);
  const story = await postern.cli('trace', 'user@example.org', '--json');
  assert.match(story.stdout, /"state":"deferred"/);
  // What it does know is found.
  assert.match(await send('user@example.net', withEicar('virus')), /^250 /);
  assert.equal(hop.messages.length, 1, 'held');
});

const RUBBISH: readonly ClamdMode[] = ['dead', 'early', 'stall', 'deaf', 'reset', 'garbage', 'half', 'enormous'];

test('I8: a clamd that talks rubbish: deferred, or passed on with a header that says so, as the policy wants', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const clamd = await startFakeClamd('ok');
  t.after(() => clamd.stop());
  const { host, port } = clamd.address;
  const postern = await startPostern(t, {
    settings: [
      'domains:',
      `  example.org: {nextHop: "${hop.smtp}"}`,
      `  example.net: {nextHop: "${hop.smtp}", policy: open}`,
      'policies: {open: {unavailable: {clamav: accept}}}',
      'diskReserve: 0B',
      `scanners: {clamav: {address: "${host}:${port}", deadline: 1s}, ${OTHERS_OFF}}`,
    ].join('\n'),
  });
  const send = (to: string) => sendMail(postern.port, { to, content: message('to be checked', 'hello') });
  assert.match(await send('user@example.org'), /^250 /);
  assert.doesNotMatch(hop.messages.at(-1)?.bytes.toString() ?? '', /unavailable=/);

  for (const mode of RUBBISH) {
    await t.test(mode, async () => {
      clamd.mode = mode;
      const passed = hop.messages.length;
      const [strict, open] = await Promise.all([send('user@example.org'), send('user@example.net')]);
      assert.match(strict, NOT_CHECKED);
      assert.match(open, /^250 /);
      assert.equal(hop.messages.length, passed + 1);
      const { bytes, rcpt } = hop.messages.at(-1) ?? { bytes: Buffer.alloc(0), rcpt: [] };
      assert.deepEqual(rcpt, ['<user@example.net>']);
      assert.match(bytes.toString().replace(/\r\n[ \t]/g, ' '), /^X-Postern-Report: .*unavailable=clamav/m);
      const story = await postern.cli('trace', idOf(open));
      assert.match(story.stdout, /clamav/);
    });
  }

  await t.test('when it has gone altogether', async () => {
    await clamd.stop();
    assert.match(await send('user@example.org'), NOT_CHECKED);
    await waitFor('health to say so', async () => (await partOf(postern, 'clamav'))?.level === 'down');
  });
});
