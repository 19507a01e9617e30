import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { findRoute } from '../../../src/config/route.ts';
import { parseAddress } from '../../../src/mail/address.ts';
import type { Direction } from '../../../src/mail/session.ts';
import { settingsOf } from './world.ts';

const FULL = settingsOf(`
domains:
  example.org: {nextHop: smtp://10.0.0.5, policy: strict, addresses: {Boss: lenient}}
  bücher.example: {nextHop: smtp://10.0.0.6}
outgoing: {nextHop: smtp://10.0.0.9, policy: own}
policies: {strict: {}, lenient: {}, own: {}}
`);
const INCOMING_ONLY = settingsOf('domains: {example.org: {nextHop: smtp://10.0.0.5}}');

function routeOf(settings: typeof FULL, direction: Direction, recipient: string): string | null {
  const address = parseAddress(recipient);
  assert.ok(address !== null, recipient);
  const route = findRoute(settings, direction, address);
  return route === null ? null : `${route.policy.name} ${route.nextHop.name}`;
}

describe('findRoute', () => {
  it('takes the policy of the address, then of the domain, then default', () => {
    assert.equal(routeOf(FULL, 'incoming', 'anna@example.org'), 'strict smtp://10.0.0.5:25');
    assert.equal(routeOf(FULL, 'incoming', 'BOSS@EXAMPLE.org'), 'lenient smtp://10.0.0.5:25');
    assert.equal(routeOf(FULL, 'incoming', 'boss@xn--bcher-kva.example'), 'default smtp://10.0.0.6:25');
    assert.equal(routeOf(FULL, 'incoming', 'boss@bücher.example'), 'default smtp://10.0.0.6:25');
  });

  it('relays nothing from outside to a domain that is not ours (I6)', () => {
    for (const other of ['a@example.com', 'a@sub.example.org', 'a@constructor', 'a@__proto__', 'a@[192.0.2.1]']) {
      assert.equal(routeOf(FULL, 'incoming', other), null, other);
    }
  });

  it('takes mail from trusted clients to the smarthost, judged by the policy for outgoing mail', () => {
    assert.equal(routeOf(FULL, 'outgoing', 'a@example.com'), 'own smtp://10.0.0.9:25');
    assert.equal(routeOf(INCOMING_ONLY, 'outgoing', 'a@example.com'), null);
  });

  it('takes mail from trusted clients to our own domains straight to their server', () => {
    assert.equal(routeOf(FULL, 'outgoing', 'boss@example.org'), 'own smtp://10.0.0.5:25');
    assert.equal(routeOf(INCOMING_ONLY, 'outgoing', 'boss@example.org'), 'default smtp://10.0.0.5:25');
  });

  it('gives postmaster without a domain to the first domain (RFC 5321 4.5.1)', () => {
    assert.equal(routeOf(FULL, 'incoming', 'Postmaster'), 'strict smtp://10.0.0.5:25');
    assert.equal(routeOf(settingsOf('outgoing: {nextHop: smtp://10.0.0.9}'), 'incoming', 'postmaster'), null);
  });
});
