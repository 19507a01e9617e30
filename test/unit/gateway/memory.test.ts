// Memory does not grow with the size of a message: measured in a process of its own, with generous bounds.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LineClient } from '../../support/smtp-script.ts';

const MB = 1024 * 1024;
const SCRIPT = join(import.meta.dirname, '../../support/gateway-process.ts');

async function gatewayProcess(t: TestContext): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(SCRIPT, { execArgv: ['--expose-gc'] });
  t.after(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port };
}

async function memoryOf(child: ChildProcess): Promise<number> {
  child.send('memory');
  const [{ rss }] = (await once(child, 'message')) as [{ rss: number }];
  return rss;
}

async function inData(port: number): Promise<LineClient> {
  const client = await LineClient.open(port);
  await client.reply();
  for (const line of ['HELO x.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@example.org>']) {
    await client.command(line);
  }
  assert.match(await client.command('DATA'), /^354 /);
  return client;
}

const LINES = Buffer.from(`${'y'.repeat(70)}\r\n`.repeat(14_563));

test('I7: a message of 60 MB costs no more memory than one of one', async t => {
  const { child, port } = await gatewayProcess(t);
  const send = async (megabytes: number) => {
    const client = await inData(port);
    for (let sent = 0; sent < megabytes; sent++) await client.drained(LINES);
    assert.match(await client.command('.'), /^250 2\.6\.0 /);
    client.destroy();
    return memoryOf(child);
  };
  await send(1);
  const small = await send(5);
  const large = await send(60);
  t.diagnostic(`RSS after 5 MB ${Math.round(small / MB)} MB, after 60 MB ${Math.round(large / MB)} MB`);
  assert.ok(large - small < 40 * MB, `${Math.round((large - small) / MB)} MB more`);
});

test('I7: fifty messages at once cost what is under way, not what they hold', async t => {
  const { child, port } = await gatewayProcess(t);
  const before = await memoryOf(child);
  const clients = await Promise.all(Array.from({ length: 50 }, () => inData(port)));
  for (let sent = 0; sent < 4; sent++) await Promise.all(clients.map(client => client.drained(LINES)));
  const during = await memoryOf(child);
  for (const client of clients) assert.match(await client.command('.'), /^250 2\.6\.0 /);
  for (const client of clients) client.destroy();
  t.diagnostic(`RSS before ${Math.round(before / MB)} MB, in 50 messages of 4 MB each ${Math.round(during / MB)} MB`);
  assert.ok(during - before < 100 * MB, `${Math.round((during - before) / MB)} MB more`);
});
