// Connections that are silent, drip, or linger, from hundreds (long: ten thousand) addresses, in every phase of SMTP: others are
// served meanwhile, each is ended by its deadline or by who needs its place, and nothing of them stays.

import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';

import { assertNoLongTurn, longestTurnMs, metric, openFiles, rssBytes } from '../support/delay.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { Flood, GoodClient, startNoNames } from '../support/flood.ts';
import { RULES_ALONE, type RunningPostern, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';
import { count, IS_LONG } from './report.ts';

const BESIEGERS = IS_LONG ? 10_000 : 400;
const MB = 1024 * 1024;
/** Each connection may cost so much while it is open (V8 frees later what it does not need). */
const BYTES_A_CONNECTION = 64 * 1024;

async function besieged(t: TestContext, connections: number) {
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      RULES_ALONE,
      `dns: {servers: ["${await startNoNames(t)}"]}`,
      `limits: {connections: ${connections}, connectionsPerMinutePerAddress: 0}`,
      'timeouts: {command: 10s, data: 1m}',
    ].join('\n'),
  });
  for (let i = 0; i < 5; i++)
    assert.match(await sendMail(postern.port, { content: message(`First ${i}`, 'x') }), /^250 /);
  await longestTurnMs(postern);
  return { hop, postern, pid: postern.child.pid ?? 0 };
}

const HELLO = 'EHLO slow.example';
const MAIL = 'MAIL FROM:<slow@sender.example>';
const RCPT = 'RCPT TO:<user@example.org>';

/** What is said before, and what drips in then, a byte a second. */
const PHASES: readonly (readonly [string, readonly string[], string])[] = [
  ['before EHLO', [], ''],
  ['within EHLO', [], 'EHLO slow.example.with.a.long.name'],
  ['after EHLO', [HELLO], ''],
  ['within MAIL', [HELLO], MAIL],
  ['after MAIL', [HELLO, MAIL], ''],
  ['between RCPTs', [HELLO, MAIL, RCPT], 'RCPT TO:<another.user.of.ours@example.org>'],
  ['in the TLS handshake', [HELLO, 'STARTTLS'], '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on and so on'],
];

function drip(flood: Flood, [, said, dripped]: (typeof PHASES)[number]) {
  return (socket: Parameters<Flood['every']>[0]) =>
    flood.speak(socket, said, () => {
      const bytes = [...dripped];
      flood.every(socket, 1000, () => socket.write(bytes.shift() ?? '', 'latin1'));
    });
}

async function nothingStays(t: TestContext, postern: RunningPostern, before: { files: number; rss: number }) {
  const pid = postern.child.pid ?? 0;
  await waitFor('no connection is left', async () => (await metric(postern, 'postern_connections')) === 0, 60_000);
  await waitFor('files and sockets as before', () => openFiles(pid) <= before.files + 5, 60_000);
  t.diagnostic(`RSS ${Math.round(before.rss / MB)} MB before, ${Math.round(rssBytes(pid) / MB)} MB at the end`);
}

suite('siege', { concurrency: !IS_LONG }, () => {
  test('a connection that drips in any phase is ended by its deadline, others are served, and nothing stays', async t => {
    if (!needs(t, 'redis-server')) return;
    const { postern, pid } = await besieged(t, BESIEGERS * 1.25);
    const before = { files: openFiles(pid), rss: rssBytes(pid) };
    const good = new GoodClient(t, postern.port);
    const floods = PHASES.map(() => new Flood(t, postern.port));
    const each = Math.floor(BESIEGERS / PHASES.length);
    const begun = process.hrtime.bigint();
    for (const [i, phase] of PHASES.entries()) {
      const flood = floods[i];
      if (flood !== undefined) await flood.open(each, drip(flood, phase), { first: i * each });
    }
    t.diagnostic(`${each * PHASES.length} connections in ${(process.hrtime.bigint() - begun) / 1_000_000n} ms`);
    const served = good.served;
    await waitFor('a message with all of them there', () => good.served > served, 60_000);
    const most = await metric(postern, 'postern_connections');
    const grown = rssBytes(pid) - before.rss;
    for (const [i, phase] of PHASES.entries())
      await waitFor(`the end of those that drip ${phase[0]}`, () => floods[i]?.sockets.size === 0, 90_000);
    await good.stop();
    assert.deepEqual(good.refused, []);
    assert.equal(good.turnedAway, 0);
    assert.ok(grown < 100 * MB + BESIEGERS * BYTES_A_CONNECTION, `${Math.round(grown / MB)} MB for ${BESIEGERS}`);
    t.diagnostic(`${most} at once, ${Math.round(grown / MB)} MB more; ${good.served} good messages meanwhile`);
    t.diagnostic(`longest turn ${await assertNoLongTurn(postern, 'drip')} ms`);
    await nothingStays(t, postern, before);
    count('slow drip in every phase', each * PHASES.length);
  });

  test('with twice as many idle connections as there are places, others get theirs and are served', async t => {
    if (!needs(t, 'redis-server')) return;
    const { postern, pid } = await besieged(t, BESIEGERS / 2);
    const before = { files: openFiles(pid), rss: rssBytes(pid) };
    const good = new GoodClient(t, postern.port);
    const flood = new Flood(t, postern.port);
    await flood.open(BESIEGERS, () => undefined);
    let isOver = false;
    t.after(() => {
      isOver = true;
    });
    const siege = (async () => {
      for (let round = 1; !isOver; round++) {
        await flood.open(BESIEGERS / 20, () => undefined, { first: round * BESIEGERS });
        await new Promise(resolve => setTimeout(resolve, 500));
      }
    })();
    // A second of silence must have passed before anybody has to go: the good client comes again meanwhile.
    for (let i = 0; i < 3; i++) {
      const served = good.served;
      await waitFor('five messages more', () => good.served >= served + 5, 60_000);
    }
    isOver = true;
    await siege;
    await good.stop();
    assert.deepEqual(good.refused, []);
    const slow = await metric(postern, 'postern_connections_refused_total{reason="slow"}');
    assert.ok(slow > 0, 'some had to make room');
    const open = await metric(postern, 'postern_connections');
    assert.ok(open <= BESIEGERS / 2, `${open} connections`);
    assert.ok(openFiles(pid) <= before.files + BESIEGERS / 2 + 50, `${openFiles(pid)} open files`);
    t.diagnostic(`${good.served} served, ${good.turnedAway} came again; ${slow} made room`);
    t.diagnostic(`longest turn ${await assertNoLongTurn(postern, 'siege')} ms`);
    const refusals = postern.log().match(/"connections refused"/g)?.length ?? 0;
    assert.ok(refusals > 0 && refusals < 200, `${refusals} lines of log`);
    flood.end();
    await nothingStays(t, postern, before);
    count('idle connections beyond all places', BESIEGERS);
  });
});
