import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkFree, listenerNamed, placesHealth, whyNotListening } from '../../../src/assembly/listening.ts';
import { loadSettings } from '../../../src/config/load.ts';
import type { Health } from '../../../src/mail/ports.ts';

const listener = (port: number) => ({
  name: 'public',
  address: { host: '127.0.0.1', port },
  accept: 'inline' as const,
  trusted: false,
  networks: [],
});

/** A port that another program has, until `close`. */
async function taken(t: TestContext): Promise<{ port: number; close: () => Promise<unknown> }> {
  const other = createServer();
  await new Promise<void>(done => other.listen(0, '127.0.0.1', done));
  t.after(() => other.close());
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, close: () => new Promise(done => other.close(done)) };
}

test('a port that another program has is named, with its setting and how to find who has it; free ones are left free', async t => {
  const { port, close } = await taken(t);
  const free = listener(0);
  await assert.rejects(checkFree({ listeners: [free, listener(port)], http: 'off', file: null }), {
    message: `cannot listen on 127.0.0.1:${port} (setting listeners, public): another program uses this port\n  stop it, or name another port; as root, ss -ltnp 'sport = :${port}' names it`,
  });
  await assert.rejects(checkFree({ listeners: [], http: { host: '127.0.0.1', port }, file: null }), /\(setting http\)/);
  await close();
  await checkFree({ listeners: [listener(port)], http: 'off', file: null });
  await checkFree({ listeners: [listener(port)], http: 'off', file: null });
});

test('a port that is taken is told with the line of the settings that names it', async t => {
  const { port } = await taken(t);
  const folder = mkdtempSync(join(tmpdir(), 'postern-places-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'postern.yaml');
  const text = [
    'listeners:',
    '  - { name: one, address: "127.0.0.1:0" }',
    `  - { name: two, address: "127.0.0.1:${port}" }`,
    'http: off',
    'domains: {example.org: {nextHop: smtp://10.0.0.5}}',
  ];
  writeFileSync(file, text.join('\n'));
  const { settings } = loadSettings({ file, cwd: folder });
  await assert.rejects(checkFree(settings), (error: Error) => {
    const [head, source] = error.message.split('\n');
    const says = `listeners[1].address: cannot listen on 127.0.0.1:${port}: another program uses this port`;
    assert.equal(head, `${file}:3:27: ${says}`);
    assert.equal(source, `  3 | ${text[2]}`);
    return true;
  });
  const [row, ...others] = await placesHealth(settings);
  assert.deepEqual(others, []);
  assert.equal(row?.level, 'down');
  assert.match(row?.says ?? '', /:\d+ \(setting listeners, two\): another program uses this port/);
  assert.match(row?.next ?? '', /ss -ltnp/);
});

/** As the system answers a user without rights; these tests may be root. */
const notAllowed = () => Promise.reject(Object.assign(new Error('not allowed'), { code: 'EACCES' }));

test('a port that only the service may have is for the service to tell, and no fault', async () => {
  // Port 1 of this address: nobody listens there.
  const settings = { listeners: [listener(1)], http: 'off', file: null } as const;
  const [row, ...others] = await placesHealth(settings, notAllowed);
  assert.deepEqual(others, []);
  assert.equal(row?.level, 'degraded');
  assert.match(row?.says ?? '', /^127\.0\.0\.1:1 \(setting listeners, public\): .*only the service can tell/);
  assert.match(row?.next ?? '', /CAP_NET_BIND_SERVICE/);
});

test('a port that we may not have and another program answers on is down', async t => {
  const { port } = await taken(t);
  const { next, ...row } = await refusedRow(port);
  assert.deepEqual(row, {
    part: 'ports',
    level: 'down',
    says: `127.0.0.1:${port} (setting listeners, public): another program uses this port`,
  });
  assert.match(next, /ss -ltnp/);
});

test('a port that we may not have for another reason than its number stays down', async t => {
  const { port, close } = await taken(t);
  await close();
  const { level, says } = await refusedRow(port);
  assert.equal(level, 'down');
  assert.match(says, /: not allowed$/);
});

async function refusedRow(port: number): Promise<Health> {
  const [row] = await placesHealth({ listeners: [listener(port)], http: 'off', file: null }, notAllowed);
  assert.ok(row !== undefined);
  return row;
}

test('places that are free are said to be, and are free afterwards', async () => {
  // Port 0 is any free one: nobody can have taken it meanwhile.
  const settings = { listeners: [listener(0)], http: 'off', file: null } as const;
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await placesHealth(settings), [
      { part: 'ports', level: 'ok', says: '127.0.0.1:0: free', next: '' },
    ]);
  }
});

for (const [code, words] of [
  ['EACCES', /ports below 1024 need root/],
  ['EADDRNOTAVAIL', /this machine has no such address/],
  ['EMFILE', /too many/],
] as const) {
  test(`why an address cannot be had: ${code}`, () => {
    const place = { host: '192.0.2.1', port: 25 };
    const tell = whyNotListening(place, listenerNamed({ listeners: [listener(25)], file: null }, 'public'));
    assert.throws(() => tell(Object.assign(new Error('too many files'), { code })), words);
  });
}
