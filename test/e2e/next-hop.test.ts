// What the sender hears, and what the books say, when the next hop misbehaves (DESIGN section 8).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Act, type FakeHop, type Step, startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, type RunningPostern, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { idOf, message, sendMail } from '../support/send.ts';

interface Case {
  readonly name: string;
  readonly steps: Partial<Record<Step, Act>>;
  readonly reply: RegExp;
  /** What `trace --json` of the recipient says: state and words. */
  readonly story: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: 'refuses the recipient',
    steps: { RCPT: '550 5.1.1 no such user' },
    reply: /^550 5\.1\.1 Refused/,
    story: /550 5\.1\.1 no such user/,
  },
  {
    name: 'defers the recipient',
    steps: { RCPT: '451 4.7.1 greylisted' },
    reply: /^451 4\.7\.1 Not accepted now/,
    story: /greylisted/,
  },
  {
    name: 'refuses the sender',
    steps: { MAIL: '553 5.1.8 bad sender' },
    reply: /^553 5\.1\.8 Refused/,
    story: /bad sender/,
  },
  { name: 'refuses DATA', steps: { DATA: '451 4.3.0 not now' }, reply: /^451 4\.3\.0 /, story: /not now/ },
  {
    name: 'refuses the content',
    steps: { dot: '550 5.6.0 we do not like it' },
    reply: /^550 5\.6\.0 Refused/,
    story: /we do not like it/,
  },
  {
    name: 'defers the content',
    steps: { dot: '452 4.3.1 full' },
    reply: /^452 4\.3\.1 Not accepted now/,
    story: /full/,
  },
  { name: 'closes after the dot', steps: { dot: 'close' }, reply: /^451 4\.4\.2 /, story: /unknown/ },
  { name: 'falls silent after the dot', steps: { dot: 'silent' }, reply: /^451 4\.4\.2 /, story: /unknown/ },
  { name: 'drips its reply to the dot', steps: { dot: 'drip' }, reply: /^451 4\.4\.2 /, story: /unknown/ },
  {
    name: 'answers the dot with garbage',
    steps: { dot: 'garbage' },
    reply: /^451 4\.\d\.\d /,
    story: /unknown|deferred/,
  },
  { name: 'is silent from the start', steps: { connect: 'silent' }, reply: /^451 4\.4\.1 /, story: /deferred/ },
  { name: 'talks garbage from the start', steps: { connect: 'garbage' }, reply: /^451 4\.4\.1 /, story: /deferred/ },
  { name: 'is not welcome there', steps: { connect: '554 5.7.1 go away' }, reply: /^451 4\.4\.1 /, story: /deferred/ },
  { name: 'closes at RCPT', steps: { RCPT: 'close' }, reply: /^451 4\.\d\.\d /, story: /deferred/ },
];

test('the next hop’s trouble is told truly to the sender and to the books', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: {hosts: ["${hop.smtp}"], timeouts: {connect: 2s, reply: 2s, afterDot: 10s}}}}`,
      RULES_ALONE,
    ].join('\n'),
  });
  for (const one of CASES) await t.test(`when the next hop ${one.name}`, () => check(postern, hop, one));

  await t.test('when the next hop is well again, mail passes', async () => {
    hop.steps = {};
    assert.match(await sendMail(postern.port, { content: message('well', 'x') }), /^250 /);
    assert.equal(hop.messages.at(-1)?.bytes.includes('Subject: well'), true);
  });

  await t.test('what is sent again after an unknown end is noted', async () => {
    const content = message('twice', 'x');
    hop.steps = { dot: 'close' };
    const first = await sendMail(postern.port, { content });
    assert.match(first, /^451 4\.4\.2 /);
    hop.steps = {};
    const second = await sendMail(postern.port, { content });
    assert.match(second, /^250 /);
    const story = await postern.cli('trace', idOf(second));
    assert.match(story.stdout, new RegExp(`sent again.*${idOf(first)}`));
  });

  await t.test('a next hop that has gone for good is 451 at RCPT', async () => {
    await hop.stop();
    const to = 'gone@example.org';
    assert.match(await sendMail(postern.port, { to, content: message('gone', 'x') }), /^451 4\.4\.1 /);
    const { stdout } = await postern.cli('trace', to);
    const story = (await postern.cli('trace', /[0-9a-z]{18}/.exec(stdout)?.[0] ?? '')).stdout;
    // Which one, and what to do.
    assert.ok(story.includes(hop.smtp.replace('smtp://', '')), story);
    assert.match(story, /`postern doctor` says/);
  });
});

async function check(postern: RunningPostern, hop: FakeHop, one: Case): Promise<void> {
  const to = `${one.name.replace(/[^a-z]+/gi, '-')}@example.org`;
  hop.hangUp();
  hop.steps = one.steps;
  const before = hop.messages.length;
  assert.match(await sendMail(postern.port, { to, content: message(one.name, 'x') }), one.reply);
  hop.steps = {};
  if (!/dot/.test(JSON.stringify(one.steps))) assert.equal(hop.messages.length, before, 'nothing was passed on');
  const found = await postern.cli('trace', to, '--json');
  assert.match(found.stdout, one.story);
}
