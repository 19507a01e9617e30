// Which client addresses say something about a sender, and how DNS lists ask for them. Addresses only, no lookups.

import { BlockList, isIP } from 'node:net';

/** IANA special-purpose registries (RFC 6890 and successors): nobody on the Internet sends from these. */
const SPECIAL: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
];

/** Can it be a client from the Internet? False for what is no address. Documentation ranges count as public. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !specialAddresses().check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** `7.100.51.198` of 198.51.100.7, 32 nibbles of an IPv6 address (RFC 5782 2.1, 2.4); null for what is no address. */
export function reversedAddress(address: string): string | null {
  const family = isIP(address);
  if (family === 4) return address.split('.').reverse().join('.');
  if (family !== 6) return null;
  // The URL parser writes every form of IPv6 in one way: groups in hex, at most one `::`.
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [left = '', right] = plain.split('::');
  const groups = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  while (groups.length + tail.length < 8) groups.push('0');
  const nibbles = [...groups, ...tail].map(group => group.padStart(4, '0')).join('');
  return [...nibbles].reverse().join('.');
}

let special: BlockList | null = null;

function specialAddresses(): BlockList {
  if (special !== null) return special;
  special = new BlockList();
  for (const [network, bits] of SPECIAL) special.addSubnet(network, bits, network.includes(':') ? 'ipv6' : 'ipv4');
  return special;
}
