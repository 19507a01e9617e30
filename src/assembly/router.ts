// Settings to routes: which next hop and which policy a recipient has. Made anew by each reload; a next hop whose
// settings stayed the same keeps its connections.

import type { NextHopSettings, Settings } from '../config/settings.ts';
import { createNextHop } from '../delivery/next-hop.ts';
import type { Address } from '../mail/address.ts';
import type { Policy } from '../mail/policy.ts';
import type { HopCapabilities, NextHop, Route, Router } from '../mail/ports.ts';
import type { Direction } from '../mail/session.ts';
import { readAuthorities } from '../platform/certificate.ts';
import type { Log } from '../platform/log.ts';

export interface Routes {
  readonly route: Router;
  /** Every next hop once, by the text of its settings. */
  readonly hopsBySettings: ReadonlyMap<string, NextHop>;
  /**
   * What all next hops can do together that mail of this direction may take (incoming: those of our domains); null until
   * each has been seen.
   */
  capabilities(direction: Direction): HopCapabilities | null;
  /** The next hop for mail that is released to this recipient. */
  hopFor(recipient: Address): NextHop | null;
}

export interface RoutesWorld {
  readonly log: Log;
  /** What our own listeners say in their greeting, null where none is known to run. */
  readonly ownWord: string | null;
}

/** `before` are the routes that these replace. Throws BadFile where a file of authorities is none. */
export function createRoutes(settings: Settings, world: RoutesWorld, before?: Routes): Routes {
  const hops = new Map<string, NextHop>();
  const hopOf = (hop: NextHopSettings): NextHop => {
    // The text of the authorities too: another one in the same file is another next hop.
    const ca = hop.ca === null ? null : readAuthorities(hop.ca);
    const key = JSON.stringify([hop, settings.hostname, ca]);
    const made = hops.get(key) ?? before?.hopsBySettings.get(key) ?? makeHop(hop, { ca, settings, world });
    hops.set(key, made);
    return made;
  };
  const incoming = new Map(
    [...settings.domains].map(([name, domain]) => [name, { domain, hop: hopOf(domain.nextHop) }]),
  );
  const outgoing =
    settings.outgoing === null ? null : { policy: settings.outgoing.policy, hop: hopOf(settings.outgoing.nextHop) };
  const policy = (name: string): Policy => {
    const found = settings.policies.get(name) ?? settings.policies.get('default');
    if (found === undefined) throw new Error('there is no policy default');
    return found;
  };
  const own = (address: Address): Route | null => {
    // <postmaster> without a domain is whoever keeps the first of our domains (RFC 5321 4.5.1).
    const found = address.domain === '' ? incoming.values().next().value : incoming.get(address.domain);
    if (found === undefined) return null;
    const name = found.domain.addresses.get(address.localPart.toLowerCase()) ?? found.domain.policy;
    return { policy: policy(name), hop: found.hop };
  };
  const route: Router = (direction, address) => {
    if (direction === 'incoming') return own(address);
    const hop = own(address)?.hop ?? outgoing?.hop;
    return hop === undefined ? null : { policy: policy(outgoing?.policy ?? 'default'), hop };
  };
  return {
    route,
    hopsBySettings: hops,
    capabilities: direction =>
      together(
        direction === 'incoming' ? [...new Set([...incoming.values()].map(({ hop }) => hop))] : [...hops.values()],
      ),
    hopFor: address => own(address)?.hop ?? outgoing?.hop ?? null,
  };
}

interface HopMaking {
  readonly ca: string | null;
  readonly settings: Settings;
  readonly world: RoutesWorld;
}

function makeHop(hop: NextHopSettings, { ca, settings: { hostname }, world: { log, ownWord } }: HopMaking): NextHop {
  const { connect, reply, afterDot } = hop.timeouts;
  return createNextHop({
    hosts: hop.hosts.map(host => (host.kind === 'maildir' ? `maildir:${host.path}` : host.text)),
    tls: hop.tls,
    ...(ca === null ? {} : { ca }),
    hostname,
    ...(ownWord === null ? {} : { ownWord }),
    timeouts: { connectMs: connect, commandMs: reply, afterDotMs: afterDot },
    pool: { maxConnections: hop.connections },
    log,
  });
}

function together(hops: readonly NextHop[]): HopCapabilities | null {
  const seen = hops.map(hop => hop.capabilities());
  if (seen.length === 0 || seen.includes(null)) return null;
  const known = seen.filter(one => one !== null);
  const sizes = known.flatMap(one => (one.sizeBytes === null ? [] : [one.sizeBytes]));
  return {
    sizeBytes: sizes.length === 0 ? null : Math.min(...sizes),
    eightBitMime: known.every(one => one.eightBitMime),
    smtpUtf8: known.every(one => one.smtpUtf8),
  };
}
