import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isPublicAddress, reversedAddress } from '../../../src/scanners/client-address.ts';

const PUBLIC = ['198.51.100.7', '8.8.8.8', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2001:db8::1', '2a00::1'];
const PRIVATE = [
  ...['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.0.1', '0.0.0.0', '255.255.255.255'],
  ...['::', '::1', 'fe80::1', 'fd12::1', 'ff02::1', '', 'example.org', '1.2.3', '::ffff:127.0.0.1', '::ffff:10.0.0.1'],
];

test('addresses of the Internet are told from private ones and from what is none', () => {
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address);
  for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
});

test('addresses are reversed as RFC 5782 says', () => {
  assert.equal(reversedAddress('192.0.2.99'), '99.2.0.192');
  const nibbles = 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4';
  assert.equal(reversedAddress('4321:0:1:2:3:4:567:89ab'), nibbles);
  assert.equal(reversedAddress('::1'), `1.${'0.'.repeat(31)}`.slice(0, -1));
  assert.equal(reversedAddress('2001:db8::'), `${'0.'.repeat(24)}8.b.d.0.1.0.0.2`);
  assert.equal(reversedAddress('example.org'), null);
});
