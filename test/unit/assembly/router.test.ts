// Which next hop and which policy a recipient has (I6): from the text of the settings to the route.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRoutes, type Routes } from '../../../src/assembly/router.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { parseAddress } from '../../../src/mail/address.ts';
import { REPLIES } from '../../../src/mail/reply.ts';
import type { Direction } from '../../../src/mail/session.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { selfSigned, startFakeHop } from '../../support/fake-hop.ts';
import { needs } from '../../support/require.ts';
import { settingsOf } from '../config/world.ts';

const SETTINGS = `
policies: {strict: {thresholds: {tag: 1}}, out: {thresholds: {tag: 6}}}
domains:
  example.org: {nextHop: smtp://10.0.0.5, addresses: {Boss: strict}}
  strict.example: {nextHop: smtp://10.0.0.6, policy: strict}
  xn--bcher-kva.example: {nextHop: smtp://10.0.0.5}
`;
const OUTGOING = 'outgoing: {nextHop: smtp://10.9.9.9, policy: out}\n';

function routesFor(t: TestContext, text: string, before?: Routes): Routes {
  const routes = createRoutes(settingsOf(text), { log: silentLog(), ownWord: null }, before);
  t.after(() => Promise.all([...routes.hopsBySettings.values()].map(hop => hop.close())));
  return routes;
}

/** `policy at hop`, or null. */
function routeOf(routes: Routes, direction: Direction, text: string): string | null {
  const address = parseAddress(text);
  assert.ok(address !== null, text);
  const route = routes.route(direction, address);
  return route === null ? null : `${route.policy.name} at ${route.hop.name}`;
}

const ROUTES: readonly [address: string, incoming: string | null, outgoing: string | null][] = [
  ['user@example.org', 'default at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['user@EXAMPLE.ORG.', 'default at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['boss@example.org', 'strict at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['BOSS@example.org', 'strict at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['boss@strict.example', 'strict at smtp://10.0.0.6:25', 'out at smtp://10.0.0.6:25'],
  ['a@bücher.example', 'default at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['postmaster', 'default at smtp://10.0.0.5:25', 'out at smtp://10.0.0.5:25'],
  ['user@sub.example.org', null, 'out at smtp://10.9.9.9:25'],
  ['user@elsewhere.example', null, 'out at smtp://10.9.9.9:25'],
  ['user@[10.0.0.5]', null, 'out at smtp://10.9.9.9:25'],
  ['user@__proto__', null, 'out at smtp://10.9.9.9:25'],
];

for (const [address, incoming, outgoing] of ROUTES) {
  test(`I6: ${address} goes where the settings say, from outside and from inside`, t => {
    const routes = routesFor(t, OUTGOING + SETTINGS);
    assert.equal(routeOf(routes, 'incoming', address), incoming);
    assert.equal(routeOf(routes, 'outgoing', address), outgoing);
  });
}

test('I6: without an outgoing hop, mail from inside reaches the own domains and nobody else', t => {
  const routes = routesFor(t, SETTINGS);
  assert.equal(routeOf(routes, 'outgoing', 'user@elsewhere.example'), null);
  assert.equal(routeOf(routes, 'outgoing', 'user@strict.example'), 'default at smtp://10.0.0.6:25');
});

test('domains with the same next hop share it, and a reload keeps it', t => {
  const first = routesFor(t, SETTINGS);
  assert.equal(first.hopsBySettings.size, 2);
  const second = routesFor(t, `${SETTINGS}  more.example: {nextHop: smtp://10.0.0.5}\n`, first);
  assert.deepEqual([...second.hopsBySettings.values()], [...first.hopsBySettings.values()]);
  const third = routesFor(t, SETTINGS.replace('10.0.0.6', '10.0.0.7'), first);
  const kept = [...third.hopsBySettings.values()].filter(hop => [...first.hopsBySettings.values()].includes(hop));
  assert.deepEqual(
    kept.map(hop => hop.name),
    ['smtp://10.0.0.5:25'],
  );
});

test('a next hop has as many connections as its settings say', async t => {
  const fake = await startFakeHop();
  t.after(() => fake.stop());
  const routes = routesFor(t, `domains: {example.org: {nextHop: {hosts: ["${fake.smtp}"], connections: 1}}}\n`);
  const [hop] = routes.hopsBySettings.values();
  const first = await hop?.open(AbortSignal.timeout(5000));
  assert.equal(first?.host, fake.smtp);
  await assert.rejects(async () => hop?.open(AbortSignal.timeout(50)), { reply: REPLIES.busy });
  first?.release();
});

test('what next hops can do together is unknown until each has been seen', t => {
  assert.equal(routesFor(t, SETTINGS).capabilities('incoming'), null);
});

test('what is released goes to the hop of its domain, or out', t => {
  const routes = routesFor(t, OUTGOING + SETTINGS);
  const hop = (text: string) => {
    const address = parseAddress(text);
    return address === null ? null : (routes.hopFor(address)?.name ?? null);
  };
  assert.equal(hop('user@strict.example'), 'smtp://10.0.0.6:25');
  assert.equal(hop('user@elsewhere.example'), 'smtp://10.9.9.9:25');
});

test('a private authority for tls: verify is read from its file; new content is another next hop, and no certificate is told', async t => {
  if (!needs(t, 'openssl')) return;
  const folder = mkdtempSync(join(tmpdir(), 'postern-ca-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const pair = selfSigned();
  const fake = await startFakeHop({ tls: pair });
  t.after(() => fake.stop());
  const file = join(folder, 'postern.yaml');
  writeFileSync(file, `domains: {example.org: {nextHop: {hosts: ["${fake.smtp}"], tls: verify, ca: ca.pem}}}`);
  const ca = join(folder, 'ca.pem');
  const world = { log: silentLog(), ownWord: null };
  const routes = (text: string, before?: Routes): Routes => {
    writeFileSync(ca, text);
    const made = createRoutes(loadSettings({ file, cwd: folder }).settings, world, before);
    t.after(() => Promise.all([...made.hopsBySettings.values()].map(hop => hop.close())));
    return made;
  };
  const levels = (made: Routes) =>
    Promise.all([...made.hopsBySettings.values()].map(async hop => (await hop.health()).level));
  const right = routes(`our authority:\n${pair.cert}`);
  assert.deepEqual(await levels(right), ['ok']);
  assert.deepEqual(routes(pair.cert, right).hopsBySettings, right.hopsBySettings, 'words around it change nothing');
  assert.deepEqual(await levels(routes(selfSigned('other.example').cert, right)), ['down']);
  assert.throws(() => routes('hello'), { message: /ca\.pem:1:1: no certificate in this file\n/ });
});
