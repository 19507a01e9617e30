import assert from 'node:assert/strict';
import { test } from 'node:test';

import { confirmedName } from '../../../src/reputation/client-name.ts';
import { zoneResolver } from '../../support/dns-zone.ts';

const ZONE = {
  '7.100.51.198.in-addr.arpa': { PTR: ['liar.example', 'MX.example.org'] },
  'mx.example.org': { A: ['198.51.100.7'], AAAA: ['2001:DB8:0::7'] },
  'liar.example': { A: ['198.51.100.8'] },
  '8.100.51.198.in-addr.arpa': { PTR: ['mx.example.org'] },
  '9.100.51.198.in-addr.arpa': { PTR: ['gone.example', 'mx9.example.org'] },
  'mx9.example.org': { A: ['198.51.100.9'] },
  [`7.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`]: { PTR: ['mx.example.org'] },
  '10.100.51.198.in-addr.arpa': 'SERVFAIL',
  '1.0.0.127.in-addr.arpa': { PTR: ['localhost'] },
};

const cases: readonly [address: string, name: string | null, why: string][] = [
  ['198.51.100.7', 'mx.example.org', 'the first of its names that points back, in lower case'],
  ['::ffff:198.51.100.7', 'mx.example.org', 'a mapped address is the IPv4 address'],
  ['2001:db8::7', 'mx.example.org', 'whatever the form of the address in DNS'],
  ['198.51.100.8', null, 'its name points elsewhere'],
  ['198.51.100.9', 'mx9.example.org', 'a name without address does not end the search'],
  ['198.51.100.10', null, 'DNS fails'],
  ['198.51.100.11', null, 'it has no name'],
];
for (const [address, name, why] of cases) {
  test(`${address} is called ${name}: ${why}`, async () => {
    assert.equal(await confirmedName(zoneResolver(ZONE), address), name);
  });
}

test('nobody is asked for the name of a private address, or of none', async () => {
  const resolver = zoneResolver(ZONE);
  for (const address of ['127.0.0.1', '10.0.0.1', '::1', 'fe80::1', '', 'mx.example.org']) {
    assert.equal(await confirmedName(resolver, address), null, address);
  }
  assert.deepEqual(resolver.asked, []);
});
