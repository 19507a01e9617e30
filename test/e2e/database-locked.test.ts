// Another process holds the database: what was relayed is in the books afterwards without a restart, and meanwhile no
// mail is taken and health says why (I4).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { idOf, message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

/** Says `held` when it has the lock, and keeps it until its input ends. */
const HOLDER = `
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(process.argv[1], { timeout: 10000 });
  database.exec('BEGIN IMMEDIATE');
  console.log('held');
  process.stdin.resume().on('end', () => process.exit(0));
`;

test('I4: a database that another process holds costs no record', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [`domains: {example.org: {nextHop: "${hop.smtp}"}}`, RULES_ALONE].join('\n'),
  });
  const holder = spawn(process.execPath, ['-e', HOLDER, join(postern.folder, 'data', 'postern.db')]);
  t.after(() => holder.kill('SIGKILL'));
  await new Promise(done => holder.stdout.once('data', done));

  const relayed = await sendMail(postern.port, { content: message('just before it was noticed', 'x') });
  assert.match(relayed, /^250 /);
  assert.match(await sendMail(postern.port, { content: message('too early', 'x') }), /^45[12] 4\.3\./);
  assert.equal(hop.messages.length, 1);
  const health = async () => (await fetch(`http://127.0.0.1:${postern.httpPort}/health`)).text();
  await waitFor('health to say so', async () => /cannot be written since/.test(await health()));

  holder.stdin.end();
  let reply = '';
  await waitFor(
    'mail to be taken again',
    async () => {
      reply = await sendMail(postern.port, { content: message('afterwards', 'x') });
      return reply.startsWith('250');
    },
    30_000,
  );
  await waitFor('health to say so', async () => !/cannot be written/.test(await health()));
  for (const said of [relayed, reply]) assert.match((await postern.cli('trace', idOf(said))).stdout, /relayed/);
});
