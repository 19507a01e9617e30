// What of a message is asked on lists: the client's address, and the domains it shows or claims. Nothing private is told
// to a list, and no message makes us ask for more than a bounded number of names.

import { domainToASCII } from 'node:url';

import type { ScanTask } from '../../mail/ports.ts';
import { domainOf } from '../../message/links.ts';
import { isPublicAddress } from '../../platform/network.ts';

/** Domains of one message that are asked; links of newsletters rarely lead to more than ten. */
export const DOMAINS_MAX = 20;

export interface Subject {
  readonly kind: 'ip' | 'domain';
  readonly value: string;
  /** Where it was seen, for people. */
  readonly where: string;
}

/** Own users' mail is asked by its links alone: its client is ours. `own` are domains that are never asked. */
export function subjectsOf({ entry, summary }: ScanTask, own: ReadonlySet<string>): readonly Subject[] {
  const { session, envelope } = entry;
  const isIncoming = session.direction === 'incoming';
  const named: (readonly [string, string])[] = [];
  if (isIncoming) {
    for (const address of summary?.from ?? []) named.push([address.slice(address.lastIndexOf('@') + 1), 'From']);
    named.push([envelope.mailFrom.address?.domain ?? '', 'MAIL FROM']);
    named.push([session.ptr ?? '', 'client name'], [session.helo, 'HELO']);
  }
  for (const domain of summary?.linkDomains ?? []) named.push([domain, 'link']);
  const domains = new Map<string, Subject>();
  for (const [name, where] of named) {
    const domain = domainToAsk(name);
    if (domain === null || own.has(domain) || domains.has(domain) || domains.size >= DOMAINS_MAX) continue;
    domains.set(domain, { kind: 'domain', value: domain, where });
  }
  const isAsked = isIncoming && isPublicAddress(session.clientAddress);
  const client: Subject[] = isAsked ? [{ kind: 'ip', value: session.clientAddress, where: 'client' }] : [];
  return [...client, ...domains.values()];
}

/** The registrable domain; null for addresses, single labels and names that are no DNS names. */
function domainToAsk(name: string): string | null {
  if (!/^[^\s[\]:/?#@%]{3,253}$/u.test(name)) return null;
  const ascii = domainToASCII(name.replace(/\.$/, '')).toLowerCase();
  if (!/^(?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]{1,62}$/.test(ascii) || PRIVATE.test(ascii)) return null;
  return domainOf(ascii);
}

/** RFC 2606, RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's .internal, and names in use on private networks. */
const PRIVATE = /\.(?:arpa|corp|home|internal|invalid|lan|local|localdomain|localhost|onion|test)$/;
