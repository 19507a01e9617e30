import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canonicalAddress, clientNetwork, inNetworks, isNetwork } from '../../../src/reputation/networks.ts';

const addresses: readonly [text: string, canonical: string | null, network: string | null][] = [
  ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::FFFF:C000:0201', '192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1', '2001:db8::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['::1', '::1', '::/64'],
  // Forms that inet_aton reads, and that mean something else to people.
  ['192.0.2.010', null, null],
  ['0x7f.1', null, null],
  ['127.1', null, null],
  ['2130706433', null, null],
  ['192.0.2.256', null, null],
  ['fe80::1%eth0', null, null],
  ['192.0.2.0/24', null, null],
  ['', null, null],
  ['mail.example.org', null, null],
  [`${'0:'.repeat(40)}1`, null, null],
];
for (const [text, canonical, network] of addresses) {
  test(`address ${JSON.stringify(text).slice(0, 40)} is ${canonical}`, () => {
    assert.equal(canonicalAddress(text), canonical);
    assert.equal(clientNetwork(text), network);
  });
}

const memberships: readonly [address: string, networks: readonly string[], isIn: boolean][] = [
  ['192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.3.7', ['192.0.2.0/24'], false],
  ['::ffff:192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.2.7', ['::ffff:192.0.2.0/120'], true],
  ['192.0.2.7', ['198.51.100.1', '192.0.2.7'], true],
  ['2001:db8::1', ['2001:db8::/32'], true],
  ['2001:db9::1', ['2001:db8::/32'], false],
  ['192.0.2.7', ['::/0'], false],
  ['2001:db8::1', ['0.0.0.0/0'], false],
  ['192.0.2.7', ['0.0.0.0/0'], true],
  ['192.0.2.7', [], false],
  ['192.0.2.7', ['192.0.2.0/33', 'nonsense', '192.0.2.0/'], false],
  ['nonsense', ['0.0.0.0/0', '::/0'], false],
];
for (const [address, networks, isIn] of memberships) {
  test(`${address} is ${isIn ? '' : 'not '}in [${networks.join(', ')}]`, () => {
    assert.equal(inNetworks(address, networks), isIn);
  });
}

test('a network with bits beyond its prefix is a slip of the pen', () => {
  assert.equal(isNetwork('192.0.2.1/24'), false);
  assert.equal(isNetwork('2001:db8::1/64'), false);
  assert.equal(isNetwork('192.0.2.0/24'), true);
  assert.equal(isNetwork('2001:db8::/64'), true);
  assert.equal(isNetwork('10.0.0.0/7'), true);
});
