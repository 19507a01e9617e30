import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { controlRequest, GatewayNotRunning } from '../../../src/platform/control-client.ts';
import { createHttpServer, type HttpRoute } from '../../../src/platform/http.ts';
import { createLog, silentLog } from '../../../src/platform/log.ts';

const routes: readonly HttpRoute[] = [
  { method: 'GET', path: '/health', handler: async () => ({ status: 200, body: { fine: true } }) },
  {
    method: 'GET',
    path: '/metrics',
    handler: async () => ({ status: 200, text: 'x 1\n', contentType: 'text/plain; version=0.0.4' }),
  },
  { method: 'POST', path: '/items/:id', handler: async call => ({ status: 202, body: call }) },
  {
    method: 'GET',
    path: '/broken',
    handler: async () => {
      throw new Error('secret /path/of/ours');
    },
  },
  { method: 'GET', path: '/slow', handler: () => new Promise(() => undefined) },
];

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-http-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function onTcp(t: TestContext, log = silentLog()): Promise<string> {
  const server = createHttpServer({ name: 'test', routes, bodyLimitBytes: 1000, handlerMs: 100, log });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  return `http://127.0.0.1:${port}`;
}

async function onSocket(t: TestContext, path: string) {
  const server = createHttpServer({ name: 'test', routes, log: silentLog() });
  await server.listen({ socketPath: path });
  t.after(() => server.close());
  return server;
}

test('a route answers JSON or text of its own type', async t => {
  const base = await onTcp(t);
  const health = await fetch(`${base}/health`);
  assert.deepEqual([health.status, await health.json()], [200, { fine: true }]);
  const metrics = await fetch(`${base}/metrics`);
  assert.match(metrics.headers.get('content-type') ?? '', /version=0\.0\.4/);
  assert.equal(await metrics.text(), 'x 1\n');
});

test('who asks for no page is told which there are', async t => {
  const response = await fetch(await onTcp(t));
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), { error: 'no such page; there is /health, /metrics, /broken, /slow' });
});

test('what goes wrong inside is in the log and not in the answer', async t => {
  const lines: string[] = [];
  const base = await onTcp(
    t,
    createLog('error', line => lines.push(line)),
  );
  const response = await fetch(`${base}/broken`);
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), { error: 'internal error, see the log' });
  assert.match(lines.join(''), /secret \/path\/of\/ours/);
});

for (const [name, path, init, status] of [
  ['an unknown page', '/nothing', {}, 404],
  ['another method', '/health', { method: 'DELETE' }, 404],
  [
    'a body that is too large',
    '/items/1',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify('x'.repeat(2000)) },
    413,
  ],
  [
    'a body that is no JSON',
    '/items/1',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' },
    400,
  ],
  [
    'a body of another type',
    '/items/1',
    { method: 'POST', headers: { 'content-type': 'text/xml' }, body: '<x/>' },
    415,
  ],
  ['a handler that does not end', '/slow', {}, 500],
] as const) {
  test(`${name} is ${status}`, async t => {
    const response = await fetch(`${await onTcp(t)}${path}`, init);
    assert.equal(response.status, status);
    assert.doesNotMatch(await response.text(), /\.ts|node_modules| {4}at /);
  });
}

test('a handler gets its parameters, its query and its body', async t => {
  const path = join(await folderFor(t), 'c.sock');
  await onSocket(t, path);
  const answer = await controlRequest(path, {
    method: 'POST',
    path: '/items/a-1?force=yes&x=1&x=2',
    body: { why: 'é' },
  });
  assert.deepEqual(answer, {
    status: 202,
    body: { params: { id: 'a-1' }, query: { force: 'yes' }, body: { why: 'é' } },
  });
});

test('the control socket is ours alone', async t => {
  const path = join(await folderFor(t), 'c.sock');
  await onSocket(t, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a socket left from a crash is replaced', async t => {
  const path = join(await folderFor(t), 'c.sock');
  // A bound socket file that nobody listens on: linked beside, it survives the closing of its server.
  const { link } = await import('node:fs/promises');
  const dead = createServer();
  await new Promise<void>(resolve => dead.listen(`${path}.old`, resolve));
  await link(`${path}.old`, path);
  await new Promise(resolve => dead.close(resolve));
  await assert.rejects(controlRequest(path, { method: 'GET', path: '/health' }), GatewayNotRunning);
  await onSocket(t, path);
  assert.equal((await controlRequest(path, { method: 'GET', path: '/health' })).status, 200);
});

test('a second gateway on the same socket does not start, and the first goes on', async t => {
  const path = join(await folderFor(t), 'c.sock');
  await onSocket(t, path);
  const second = createHttpServer({ name: 'second', routes, log: silentLog() });
  t.after(() => second.close());
  await assert.rejects(second.listen({ socketPath: path }), /another Postern is running/);
  assert.equal((await controlRequest(path, { method: 'GET', path: '/health' })).status, 200);
});

test('without a gateway the client says so, and what to do', async t => {
  const path = join(await folderFor(t), 'c.sock');
  const asked = controlRequest(path, { method: 'GET', path: '/health' });
  await assert.rejects(asked, (error: Error) => {
    assert.ok(error instanceof GatewayNotRunning);
    assert.match(error.message, /is not running .*start it with postern serve/);
    return true;
  });
});

test('a file that is no socket is left alone', async t => {
  const path = join(await folderFor(t), 'c.sock');
  await writeFile(path, 'precious');
  const server = createHttpServer({ name: 'test', routes, log: silentLog() });
  t.after(() => server.close());
  await assert.rejects(server.listen({ socketPath: path }));
  assert.equal((await stat(path)).size, 8);
});
