// The name of a client's address, believed only when it points back (RFC 8601 section 2.7.3 calls the test iprev).
// Called at connect; mail does not depend on it, so it gives up soon.

import ipaddr from 'ipaddr.js';
import type { Resolver } from '../platform/dns.ts';
import { canonicalAddress, inNetworks } from './networks.ts';

const NAME_MS = 1000;
/** Of the names that one address points to. */
const NAMES_MAX = 3;
/** Nobody's DNS knows these. */
const LOCAL = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fe80::/10', 'fc00::/7'];

/** null where there is none, it does not point back, or DNS takes too long. Never rejects. */
export async function confirmedName(resolver: Resolver, address: string): Promise<string | null> {
  const reverse = reverseName(address);
  if (reverse === null || inNetworks(address, LOCAL)) return null;
  const signal = AbortSignal.timeout(NAME_MS);
  try {
    const names = await resolver.resolve(reverse, 'PTR', signal);
    for (const name of names.slice(0, NAMES_MAX)) {
      const back = await resolver.resolve(name, address.includes(':') ? 'AAAA' : 'A', signal).catch(() => []);
      if (back.some(one => canonicalAddress(one) === canonicalAddress(address))) return name.toLowerCase();
    }
  } catch {
    // No name, or no answer: both mean that nothing is known.
  }
  return null;
}

/** `1.2.0.192.in-addr.arpa`, or the nibbles under ip6.arpa (RFC 3596 section 2.5); null for no address. */
export function reverseName(address: string): string | null {
  const canonical = canonicalAddress(address);
  if (canonical === null) return null;
  const bytes = ipaddr.parse(canonical).toByteArray();
  if (bytes.length === 4) return `${[...bytes].reverse().join('.')}.in-addr.arpa`;
  const nibbles = bytes.flatMap(byte => [byte >> 4, byte & 15]).reverse();
  return `${nibbles.map(nibble => nibble.toString(16)).join('.')}.ip6.arpa`;
}
