// Texts that look like addresses and networks: what is one, what it stands for and who is in it, as Node's own parsers
// see it, which the connections of a process meet as well.

import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';

import { canonicalAddress, inNetworks, networkHint, parseNetwork } from '../../src/platform/network.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const PIECES = [
  ...[
    '0',
    '1',
    'a',
    '10',
    '255',
    '256',
    'ffff',
    '0db8',
    '00001',
    '12345',
    '.',
    '.',
    ':',
    ':',
    ':',
    '::',
    '/',
    '%',
    ' ',
  ],
  ...['192.0.2.', '198.51.100.7', '::ffff:', '2001:db8:', '\n', '０', 'x'],
];

/** Mapped ones are another address to us: the IPv4 one. */
const MAPPED = new BlockList();
MAPPED.addSubnet('::ffff:0:0', 96, 'ipv6');

function address(luck: Chance): string {
  const word = () => luck.below(luck.pick([2, 65_536])).toString(16);
  if (luck.below(3) === 0) return Array.from({ length: 4 }, () => luck.below(256)).join('.');
  const left = luck.below(8);
  if (luck.below(3) === 0) return Array.from({ length: 8 }, word).join(':');
  return `${Array.from({ length: left }, word).join(':')}::${Array.from({ length: luck.below(8 - left) }, word).join(':')}`;
}

test('what is an address, and its one form', t => {
  const luck = chance(t);
  let found = 0;
  for (let i = 0; i < rounds(20_000); i++) {
    const text = luck.below(2) === 0 ? luck.text(PIECES, 8) : address(luck);
    const canonical = canonicalAddress(text);
    const said = JSON.stringify(text);
    assert.equal(canonical !== null, isIP(text) !== 0 && !text.includes('%'), said);
    if (canonical === null) continue;
    found += 1;
    assert.equal(canonicalAddress(canonical), canonical, said);
    if (isIP(text) === 4) assert.equal(canonical, text);
    else if (MAPPED.check(text, 'ipv6')) assert.equal(isIP(canonical), 4, said);
    // The URL standard writes IPv6 addresses as RFC 5952 does, but keeps the mapped form in hexadecimal.
    else assert.equal(canonical, new URL(`http://[${text}]/`).hostname.slice(1, -1), said);
  }
  assert.ok(found > rounds(5000), `only ${found} were addresses`);
});

test('what is a network, and who is in it', t => {
  const luck = chance(t);
  let inside = 0;
  for (let i = 0; i < rounds(10_000); i++) {
    const [one, other] = [address(luck), address(luck)].map(text => canonicalAddress(text) ?? '');
    if (one === undefined || other === undefined || one === '' || other === '') continue;
    const prefix = luck.below(isIP(one) === 4 ? 34 : 130);
    const written = `${one}/${prefix}`;
    const text = /"(.*)"/.exec(networkHint(written))?.[1];
    assert.equal(text === undefined, prefix > (isIP(one) === 4 ? 32 : 128), written);
    if (text === undefined) continue;
    assert.equal(parseNetwork(written) !== null, text === written, written);
    const list = new BlockList();
    list.addSubnet(one, prefix, isIP(one) === 4 ? 'ipv4' : 'ipv6');
    assert.ok(inNetworks(one, [text]), written);
    // Node finds IPv4 addresses in ::/0 too, by their mapped form; to us the two are apart.
    const isIn = isIP(one) === isIP(other) && list.check(other, isIP(other) === 4 ? 'ipv4' : 'ipv6');
    assert.equal(inNetworks(other, [text]), isIn, `${other} in ${text}`);
    if (isIn) inside += 1;
  }
  assert.ok(inside > rounds(50), `only ${inside} were inside`);
});
