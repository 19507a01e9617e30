// The name of a client's address, believed only when it points back (RFC 8601 section 2.7.3 calls the test iprev).
// Called at connect; mail does not depend on it, so it gives up soon.

import type { Resolver } from '../platform/dns.ts';
import { canonicalAddress, isPublicAddress, reverseName } from '../platform/network.ts';

const NAME_MS = 1000;
/** Of the names that one address points to. */
const NAMES_MAX = 3;

/** null where there is none, it does not point back, or DNS takes too long. Never rejects. */
export async function confirmedName(resolver: Resolver, address: string): Promise<string | null> {
  const reverse = reverseName(address);
  // Nobody's DNS knows the others.
  if (reverse === null || !isPublicAddress(address)) return null;
  const signal = AbortSignal.timeout(NAME_MS);
  try {
    const names = await resolver.resolve(reverse, 'PTR', signal);
    for (const name of names.slice(0, NAMES_MAX)) {
      const back = await resolver.resolve(name, reverse.endsWith('.ip6.arpa') ? 'AAAA' : 'A', signal).catch(() => []);
      if (back.some(one => canonicalAddress(one) === canonicalAddress(address))) return name.toLowerCase();
    }
  } catch {
    // No name, or no answer: both mean that nothing is known.
  }
  return null;
}
