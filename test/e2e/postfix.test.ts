// The tests' own Postfix: what the other end-to-end tests stand on.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { createTestPostfix, needsPostfix } from '../support/postfix.ts';
import { needs } from '../support/require.ts';

test('the private Postfix takes mail, stops, and comes back on the same port', async t => {
  if (!needsPostfix(t) || !needs(t, 'swaks')) return;
  const postfix = await createTestPostfix({ main: { relay_domains: 'example.com', relay_transport: 'discard:' } });
  t.after(() => postfix.remove());
  const swaks = () =>
    spawnSync('swaks', [
      ...['--server', `127.0.0.1:${postfix.port}`, '--from', 'a@b.example', '--to', 'x@example.com', '--body', 'hi'],
    ]);

  await postfix.start();
  const first = swaks();
  assert.equal(first.status, 0, String(first.stdout));
  assert.match(await postfix.log(), /smtpd\[\d+\]: connect from/);
  assert.match(await postfix.run('postqueue', '-p'), /Mail queue is empty|x@example\.com/);

  await postfix.stop();
  assert.notEqual(swaks().status, 0);

  await postfix.start();
  assert.equal(swaks().status, 0);
});
