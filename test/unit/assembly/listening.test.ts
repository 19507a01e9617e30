import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { checkFree, whyNotListening } from '../../../src/assembly/listening.ts';

const listener = (port: number) => ({
  name: 'public',
  address: { host: '127.0.0.1', port },
  accept: 'inline' as const,
  trusted: false,
  networks: [],
});

test('a port that another program has is named, with its setting, and free ones are left free', async t => {
  const other = createServer();
  await new Promise<void>(done => other.listen(0, '127.0.0.1', done));
  t.after(() => other.close());
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { port } = address;
  const free = listener(0);
  await assert.rejects(checkFree({ listeners: [free, listener(port)], http: 'off' }), {
    message: `cannot listen on 127.0.0.1:${port} (setting listeners, public): another program uses this port: stop it, or name another port`,
  });
  await assert.rejects(checkFree({ listeners: [], http: { host: '127.0.0.1', port } }), /\(setting http\)/);
  await new Promise(done => other.close(done));
  await checkFree({ listeners: [listener(port)], http: 'off' });
  await checkFree({ listeners: [listener(port)], http: 'off' });
});

for (const [code, words] of [
  ['EACCES', /ports below 1024 need root/],
  ['EADDRNOTAVAIL', /this machine has no such address/],
  ['EMFILE', /too many/],
] as const) {
  test(`why an address cannot be had: ${code}`, () => {
    const tell = whyNotListening({ host: '192.0.2.1', port: 25 }, 'listeners, public');
    assert.throws(() => tell(Object.assign(new Error('too many files'), { code })), words);
  });
}
