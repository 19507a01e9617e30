import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  canonicalAddress,
  clientNetwork,
  holdsPublic,
  inNetworks,
  isPublicAddress,
  networkHint,
  networkMatcher,
  parseNetwork,
  peerAddress,
  reversedAddress,
  reverseName,
} from '../../../src/platform/network.ts';

const addresses: readonly [text: string, canonical: string | null, network: string | null][] = [
  ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['0.0.0.0', '0.0.0.0', '0.0.0.0'],
  ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::FFFF:C000:0201', '192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1', '2001:db8::/64'],
  ['2001:DB8:0:0::1', '2001:db8::1', '2001:db8::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201', '64:ff9b::/64'],
  ['::1', '::1', '::/64'],
  ['::', '::', '::/64'],
  // RFC 4291 2.5.5.1: these are no mapped addresses, and must not pass for the IPv4 address in them.
  ['::192.0.2.1', '::c000:201', '::/64'],
  ['::127.0.0.1', '::7f00:1', '::/64'],
  // Forms that inet_aton reads, and that mean something else to people.
  ['192.0.2.010', null, null],
  ['192.0.2.01', null, null],
  ['01.0.0.0', null, null],
  ['::ffff:192.0.2.010', null, null],
  ['0x7f.1', null, null],
  ['0x7f.0.0.1', null, null],
  ['127.1', null, null],
  ['192.0.2', null, null],
  ['2130706433', null, null],
  ['192.0.2.256', null, null],
  ['192.0.2.1 ', null, null],
  ['192.0.2.1\n', null, null],
  ['1::2::3', null, null],
  ['12345::', null, null],
  ['00001::', null, null],
  [':::', null, null],
  ['g::', null, null],
  ['1:2:3:4:5:6:7:8:9', null, null],
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

test('the peer of a socket is told without its zone, and is nobody once it has gone', () => {
  const cases: [string | undefined, string][] = [
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8::1', '2001:db8::1'],
    [undefined, ''],
    ['', ''],
  ];
  for (const [raw, address] of cases) assert.equal(peerAddress(raw), address, raw);
});

const memberships: readonly [address: string, networks: readonly string[], isIn: boolean][] = [
  ['192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.3.7', ['192.0.2.0/24'], false],
  ['10.255.0.1', ['10.0.0.0/8'], true],
  ['11.0.0.0', ['10.0.0.0/8'], false],
  ['10.0.0.1', ['10.0.0.1'], true],
  ['10.0.0.2', ['10.0.0.1/32'], false],
  ['192.0.2.127', ['192.0.2.0/25'], true],
  ['192.0.2.128', ['192.0.2.0/25'], false],
  ['::ffff:192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.2.7', ['::ffff:192.0.2.0/120'], true],
  ['::ffff:192.0.2.9', ['::ffff:192.0.2.0/120'], true],
  ['::192.0.2.7', ['192.0.2.0/24', '::ffff:192.0.2.0/120'], false],
  ['192.0.2.7', ['198.51.100.1', '192.0.2.7'], true],
  ['2001:db8::1', ['2001:db8::/32'], true],
  ['2001:db8:1::1', ['2001:db8::/32'], true],
  ['2001:db9::1', ['2001:db8::/32'], false],
  ['2001:0db8:0:0:0:0:0:1', ['2001:db8::1'], true],
  ['192.0.2.7', ['::/0'], false],
  ['10.0.0.1', ['::/0'], false],
  ['::ffff:10.0.0.1', ['::/0'], false],
  ['2001:db8::1', ['0.0.0.0/0'], false],
  ['192.0.2.7', ['0.0.0.0/0'], true],
  ['255.255.255.255', ['0.0.0.0/0'], true],
  ['192.0.2.7', [], false],
  ['192.0.2.7', ['192.0.2.0/33', 'nonsense', '192.0.2.0/', '192.0.2.1/24'], false],
  ['nonsense', ['0.0.0.0/0', '::/0'], false],
  ['no address', ['10.0.0.0/8'], false],
];
for (const [address, networks, isIn] of memberships) {
  test(`${address} is ${isIn ? '' : 'not '}in [${networks.join(', ')}]`, () => {
    assert.equal(inNetworks(address, networks), isIn);
    assert.equal(networkMatcher(networks)(address), isIn);
  });
}

test('a network is read with its length, its prefix and its first address', () => {
  const cases: [string, number, number, string][] = [
    ['10.0.0.0/8', 32, 8, '10.0.0.0'],
    ['10.0.0.0/7', 32, 7, '10.0.0.0'],
    ['192.0.2.0/24', 32, 24, '192.0.2.0'],
    ['192.0.2.1', 32, 32, '192.0.2.1'],
    ['192.0.2.1/32', 32, 32, '192.0.2.1'],
    ['0.0.0.0/0', 32, 0, '0.0.0.0'],
    ['::ffff:192.0.2.0/120', 32, 24, '192.0.2.0'],
    ['::ffff:0.0.0.0/96', 32, 0, '0.0.0.0'],
    ['::/0', 128, 0, '::'],
    ['2001:DB8::/32', 128, 32, '2001:db8::'],
    ['2001:db8::/64', 128, 64, '2001:db8::'],
    ['::1', 128, 128, '::1'],
  ];
  for (const [text, bits, prefix, first] of cases) assert.deepEqual(parseNetwork(text), { bits, prefix, first }, text);
});

test('what is no network is refused', () => {
  for (const text of [
    ...['', '10/8', '10.0.0', '10.0.0.256', 'x/8', 'g::', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '01.0.0.0'],
    ...['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/a', '10.0.0.0/-1', '10.0.0.0/0x8', '::/129', '1.2.3.4/8/8', '/8'],
    ...['::ffff:0.0.0.0/95', 'fe80::%eth0/10', ' 10.0.0.0/8', '10.0.0.0/8\n'],
  ]) {
    assert.equal(parseNetwork(text), null, JSON.stringify(text));
  }
});

test('a network with bits beyond its prefix is a slip of the pen, and the network it was meant for is named', () => {
  const cases: [string, string][] = [
    ['10.0.0.5/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['192.0.2.1/24', '192.0.2.0/24'],
    ['192.0.2.1/31', '192.0.2.0/31'],
    ['::ffff:192.0.2.1/120', '192.0.2.0/24'],
    ['2001:db8::1/32', '2001:db8::/32'],
    ['2001:db8::1/64', '2001:db8::/64'],
  ];
  for (const [text, meant] of cases) {
    assert.equal(parseNetwork(text), null, text);
    assert.equal(networkHint(text), `the network of that address is "${meant}"`);
    assert.notEqual(parseNetwork(meant), null, meant);
  }
  for (const text of ['nonsense', '10.0.0.0/33', 'nonsense/8', '10.0.0.256']) assert.equal(networkHint(text), '', text);
});

const PUBLIC = ['198.51.100.7', '8.8.8.8', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2001:db8::1', '2a00::1'];
const PRIVATE = [
  ...['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.0.1', '0.0.0.0', '255.255.255.255'],
  ...['::', '::1', 'fe80::1', 'fd12::1', 'ff02::1', '', 'example.org', '1.2.3', '::ffff:127.0.0.1', '::ffff:10.0.0.1'],
];

test('addresses of the Internet are told from private ones and from what is none', () => {
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address);
  for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
});

test('a network with any address of the Internet is told', () => {
  const holds = (text: string) => {
    const network = parseNetwork(text);
    assert.ok(network !== null, text);
    return holdsPublic(network);
  };
  for (const text of ['0.0.0.0/0', '8.0.0.0/7', '172.0.0.0/8', '::/0', 'fc00::/6', '::/64', '::ffff:0.0.0.0/96']) {
    assert.equal(holds(text), true, text);
  }
  for (const text of [
    '10.0.0.0/8',
    '10.1.0.0/16',
    '127.0.0.1',
    '::1',
    'fd00::/8',
    'fe80::/10',
    '::ffff:10.0.0.0/104',
  ]) {
    assert.equal(holds(text), false, text);
  }
});

test('addresses are reversed as RFC 5782 says', () => {
  assert.equal(reversedAddress('192.0.2.99'), '99.2.0.192');
  assert.equal(reversedAddress('::ffff:192.0.2.99'), '99.2.0.192');
  const nibbles = 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4';
  assert.equal(reversedAddress('4321:0:1:2:3:4:567:89ab'), nibbles);
  assert.equal(reversedAddress('::1'), `1.${'0.'.repeat(31)}`.slice(0, -1));
  assert.equal(reversedAddress('2001:db8::'), `${'0.'.repeat(24)}8.b.d.0.1.0.0.2`);
  assert.equal(reversedAddress('example.org'), null);
});

test('the names that lead back from an address stand under in-addr.arpa and ip6.arpa', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa');
  assert.equal(reverseName('::ffff:192.0.2.1'), '1.2.0.192.in-addr.arpa');
  assert.equal(reverseName('2001:db8::1'), `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`);
  assert.equal(reverseName('fe80::1%eth0'), null);
  assert.equal(reverseName('localhost'), null);
});
