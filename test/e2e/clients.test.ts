// Real clients in front: Postfix, which comes back for the recipients that need a transaction of their own, and swaks.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, startPostern } from '../support/postern.ts';
import { needsPostfix, startPostfix } from '../support/postfix.ts';
import { findProgram, needs } from '../support/require.ts';
import { GTUBE, message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const run = promisify(execFile);

test('Postfix as the client brings every recipient of a message, each under its own policy and next hop', async t => {
  if (!needs(t, 'redis-server') || !(await needsPostfix(t))) return;
  const [one, two] = [await startFakeHop(), await startFakeHop()];
  t.after(() => Promise.all([one.stop(), two.stop()]));
  const postern = await startPostern(t, {
    settings: [
      'policies: {strict: {thresholds: {tag: 1}}}',
      `domains: {example.org: {nextHop: "${one.smtp}", addresses: {boss: strict}}, example.net: {nextHop: "${two.smtp}"}}`,
      RULES_ALONE,
    ].join('\n'),
  });
  const postfix = await startPostfix({ transport: 'discard:', relayhost: `[127.0.0.1]:${postern.port}` });
  t.after(() => postfix.stop());
  const to = ['a@example.org', 'b@example.org', 'boss@example.org', 'c@example.net'];
  assert.match(await sendMail(postfix.port, { to, content: message('To many', 'hello') }), /^250 /);
  const arrived = () => [...one.messages, ...two.messages].flatMap(one => one.rcpt);
  // Postfix takes 452 4.5.3 as it is meant: the others go in further transactions, at once and not after a pause.
  await waitFor('all recipients', () => arrived().length >= 4, 60_000);
  assert.deepEqual(
    arrived()
      .map(rcpt => /<(.*?)>/.exec(rcpt)?.[1])
      .sort(),
    to.toSorted(),
    'everybody once',
  );
  const together = one.messages.find(message => message.rcpt.length === 2);
  assert.ok(together !== undefined, 'recipients of one policy and one next hop share a transaction');

  assert.match(await sendMail(postfix.port, { to: 'a@example.org', content: message('Spam', GTUBE) }), /^250 /);
  await waitFor(
    'the refusal in the log of Postfix',
    async () => / 5\.7\.1 Message refused by policy/.test(await postfix.log()),
    60_000,
  );
});

test('swaks delivers, and the trace says so', async t => {
  if (!needs(t, 'redis-server', 'swaks')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [`domains: {example.org: {nextHop: "${hop.smtp}"}}`, RULES_ALONE].join('\n'),
  });
  const { stdout } = await run(findProgram('swaks') ?? 'swaks', [
    ...['--server', `127.0.0.1:${postern.port}`, '--from', 'alice@sender.example', '--to', 'user@example.org'],
    ...['--helo', 'client.sender.example', '--header', 'Subject: by swaks', '--body', 'hello'],
  ]);
  assert.match(stdout, /250 2\.6\.0 Message accepted/);
  assert.match(hop.messages[0]?.bytes.toString() ?? '', /with\s+ESMTP id/);
  assert.match((await postern.cli('trace', 'user@example.org')).stdout, /relayed.*by swaks/);
});
