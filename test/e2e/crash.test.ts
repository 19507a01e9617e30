// kill -9 of Postern at every step, counted at the far end: whatever was answered with 250 is at the next hop or held.
// In `npm test` a few times at each place. A hundred times (a quarter of an hour), from the project's folder:
//   POSTERN_CRASH_RUNS=100 node --test --test-timeout=3600000 test/e2e/crash.test.ts
//
// In each run one message is in the middle of DATA, one is being scanned, and a third one is at the place the test is
// about, when the process dies. Then Postern is started again, and the senders do what senders do: whoever has no
// answer sends again. kill -9 does not test fsync, for the kernel keeps what was written: see fsync-order.test.ts.
//
// Doubles are counted. They come only where SMTP cannot tell: the message was held, or the next hop had it, and the
// process died before the sender heard so (RFC 5321 4.5.4.1: the sender tries again); or the next hop had a released
// copy, and a person said --force because nobody could know.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { CONTROL_SOCKET } from '../../src/assembly/control.ts';
import { controlRequest } from '../../src/platform/control-client.ts';
import { socketPath } from '../../src/platform/unix-socket.ts';
import type { ReleaseResult } from '../../src/quarantine/release.ts';
import { heldFiles } from '../support/books.ts';
import { childrenOf } from '../support/children.ts';
import {
  arrivals,
  bookedStates,
  checkAll,
  count,
  isAnswered,
  newMessage,
  newWorld,
  start,
  summary,
  type World,
  watchQuarantine,
} from '../support/crash-world.ts';
import { type OpenMail, openMail } from '../support/open-mail.ts';
import { needs } from '../support/require.ts';
import { idOf, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const RUNS = Number(process.env['POSTERN_CRASH_RUNS'] ?? 4);
/** From the dot to our reply it takes some ten milliseconds: a moment before, within, or after. */
const WHOLE_WAY_MS = 60;

test(`I1: kill -9 at every step, ${RUNS} times each, and nothing is lost`, async t => {
  if (!needs(t, 'redis-server')) return;
  const world = await newWorld(t);
  await t.test('between hold and 250', () => crashes(world, duringHold));
  await t.test('between the next hop’s 250 and ours', () => crashes(world, duringRelay));
  await t.test('I4: during a release: no copy is sent twice by accident', () => crashes(world, duringRelease));
  await t.test('the books, the far end and the command line add up', () => addUp(world));
  t.diagnostic(JSON.stringify(summary(world)));
  await world.postern.stop();
  assert.equal(world.postern.child.exitCode, 0);
  assert.deepEqual([...childrenOf(world.data)], [], 'no child is left');
});

/** Kills at one place of a message's way, and returns what is to be looked at after the restart. */
type Crash = (world: World, run: number) => Promise<() => Promise<void>>;

async function duringHold(world: World, run: number): Promise<() => Promise<void>> {
  world.clamd.mode = 'found';
  const sent = newMessage(world, 'hold');
  const mail = await openMail(world.postern.port, sent.to);
  const watch = watchQuarantine(world);
  await mail.finish(sent.content);
  const answer = answerOf(mail);
  const moments: readonly (() => Promise<unknown>)[] = [
    // The bytes have their name in quarantine; the record may be there, the row not.
    () => watch.until('.eml'),
    () => watch.until('.json'),
    // Somewhere between files, row and reply.
    () => watch.until('.json').then(() => pause(randomInt(0, 5))),
    // The row is there, and nobody has been told.
    () => watch.until('row'),
    // 250 is said: from now on it is ours.
    () => answer,
    () => pause(randomInt(0, WHOLE_WAY_MS)),
  ];
  await moments[run % moments.length]?.();
  world.kill();
  sent.replies.push(await answer);
  const found = watch.end();
  return async () => {
    const isHeld = bookedStates(world, sent.to).includes('held');
    const isRebuilt = /"rebuilt":1/.test(world.postern.log());
    const was = isAnswered(sent) ? 'answered' : isRebuilt ? 'files without a row' : isHeld ? 'row, no answer' : found;
    count(world, `hold: ${was}`);
  };
}

async function duringRelay(world: World, run: number): Promise<() => Promise<void>> {
  world.clamd.mode = 'ok';
  const sent = newMessage(world, 'relay');
  const mail = await openMail(world.postern.port, sent.to);
  const atDot = new Promise<void>(resolve => {
    world.atHop = step => {
      if (step !== 'dot') return;
      // The next hop has the message, and its 250 is not heard any more.
      if (run % 5 === 0) world.kill();
      setImmediate(resolve);
    };
  });
  await mail.finish(sent.content);
  const answer = answerOf(mail);
  const moments: readonly (() => Promise<unknown>)[] = [
    () => atDot,
    () => atDot,
    () => atDot.then(() => pause(randomInt(0, 8))),
    () => answer,
    () => pause(randomInt(0, WHOLE_WAY_MS)),
  ];
  await moments[run % moments.length]?.();
  world.kill();
  sent.replies.push(await answer);
  return async () => {
    const booked = bookedStates(world, sent.to).join() || 'no row';
    const place = arrivals(world, sent.to) > 0 ? 'the hop has it' : 'the hop has it not';
    count(world, `relay: ${place}, ${booked}, ${isAnswered(sent) ? 'answered' : 'no answer'}`);
  };
}

async function duringRelease(world: World, run: number): Promise<() => Promise<void>> {
  world.clamd.mode = 'found';
  const sent = newMessage(world, 'release');
  sent.replies.push(await sendMail(world.postern.port, sent));
  assert.match(sent.replies[0] ?? '', /^250 /);
  const copy = `${idOf(sent.replies[0] ?? '')}-1`;
  const places = ['MAIL', 'DATA', 'dot', 'after the dot', 'a little later', 'answer'] as const;
  const place = places[run % places.length] ?? 'MAIL';
  const isAfterDot = place === 'after the dot' || place === 'a little later';
  const there = new Promise<void>(resolve => {
    world.atHop = step => {
      if (isAfterDot && step === 'dot') return void setImmediate(resolve);
      if (step !== place) return;
      world.kill();
      resolve();
    };
  });
  const released = release(world, copy).catch(() => null);
  await (place === 'answer' ? released : there);
  if (place === 'a little later') await pause(randomInt(0, 8));
  world.kill();
  const said = await released;
  return async () => {
    const state = bookedStates(world, sent.to).join();
    const isAtHop = arrivals(world, sent.to) > 0;
    count(
      world,
      `release: ${isAtHop ? 'the hop has it' : 'the hop has it not'}, ${said?.kind ?? 'no answer'}, ${state}`,
    );
    if (said?.kind === 'released') assert.equal(state, 'released');
    if (state === 'released') return assert.ok(isAtHop, 'what is called released is at the next hop');
    // As long as the next hop may have it nothing is sent without being told to.
    if (isAtHop) assert.equal(state, 'releasing');
    if (state === 'releasing') assert.equal((await release(world, copy)).kind, 'impossible');
    const again = await release(world, copy, true);
    assert.equal(again.kind, 'released', again.words);
    assert.deepEqual(bookedStates(world, sent.to), ['released']);
  };
}

async function crashes(world: World, crash: Crash): Promise<void> {
  // A few runs begin anywhere in the list of moments, a hundred meet each of them many times.
  const first = randomInt(0, 60);
  for (let run = first; run < first + RUNS; run++) {
    const children = childrenOf(world.data);
    const inData = await halfSent(world, run);
    const inScan = await inTheScan(world);
    const afterwards = await crash(world, run);
    await inData();
    await inScan();
    await world.postern.kill();
    world.atHop = () => undefined;
    world.clamd.mode = 'ok';
    await start(world);
    assert.deepEqual(childrenOf(world.data), children, 'the daemons of the earlier life are taken over');
    assert.deepEqual(readdirSync(join(world.data, 'spool')), [], 'nothing is left in the spool');
    checkAll(world, world.sent.slice(-3));
    await afterwards();
    await sendAgain(world);
  }
}

/** At the end, once more, for all messages. */
async function addUp(world: World): Promise<void> {
  checkAll(world, world.sent);
  const { lost, held } = summary(world);
  assert.equal(lost, 0);
  const listed = await world.postern.cli('quarantine', 'list', '--json', '--limit', '1000');
  const items = listed.stdout.split('\n').filter(line => line !== '');
  assert.equal(new Set(items.map(line => JSON.parse(line).rcptTo)).size, held);
  const files = heldFiles(join(world.data, 'quarantine')).filter(name => name.endsWith('.eml'));
  assert.equal(files.length, items.length, 'and no file that no row knows');
  for (const sent of world.sent.slice(-3)) {
    const story = await world.postern.cli('trace', sent.to);
    assert.match(story.stdout, /relayed|held|released/, sent.to);
  }
}

/** A sender in the middle of DATA, at any place of it; the function waits for how that ended. */
async function halfSent(world: World, run: number): Promise<() => Promise<void>> {
  const sent = newMessage(world, 'data');
  const mail = await openMail(world.postern.port, sent.to);
  // All but the dot, too.
  const bytes = run % 4 === 0 ? sent.content.length : randomInt(0, sent.content.length);
  mail.write(sent.content.slice(0, bytes));
  const answer = answerOf(mail);
  return async () => {
    sent.replies.push(await answer);
    assert.equal(sent.replies[0], '', 'without its dot nothing is answered');
  };
}

/** A sender whose message is with a scanner that takes its time. */
async function inTheScan(world: World): Promise<() => Promise<void>> {
  world.clamd.mode = 'stall';
  const sent = newMessage(world, 'scan');
  const mail = await openMail(world.postern.port, sent.to);
  const before = world.clamd.connections;
  await mail.finish(sent.content);
  const answer = answerOf(mail);
  await waitFor('clamd to have the message', () => world.clamd.connections > before);
  return async () => {
    sent.replies.push(await answer);
    assert.equal(sent.replies[0], '', 'without a verdict nothing is answered');
  };
}

/** Whoever has no answer, or a 4yz, sends again, as every mail server does. */
async function sendAgain(world: World): Promise<void> {
  for (const sent of world.sent.slice(-3).filter(one => !isAnswered(one))) {
    sent.replies.push(await sendMail(world.postern.port, sent));
    assert.match(sent.replies.at(-1) ?? '', /^250 /);
  }
}

async function release(world: World, copy: string, force = false): Promise<ReleaseResult> {
  const socket = await socketPath(world.data, CONTROL_SOCKET);
  const path = `/quarantine/${copy}/release`;
  const answer = await controlRequest(socket, { method: 'POST', path, body: { by: 'test', force } });
  return answer.body as ReleaseResult;
}

/** '' also where the connection was cut. */
function answerOf(mail: OpenMail): Promise<string> {
  return mail.reply().finally(() => mail.destroy());
}

/** A moment between others, where nothing can be seen to wait for. */
function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
