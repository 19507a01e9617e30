// Whose rules judge the mail for a recipient, and where it goes: the choice of policy and next hop that docs/config.md
// describes. Pure; main.ts makes the gateway's Router of it.

import type { Address } from '../mail/address.ts';
import type { Policy } from '../mail/policy.ts';
import type { Direction } from '../mail/session.ts';
import type { NextHopSettings, Settings } from './settings.ts';

export interface RouteSettings {
  readonly policy: Policy;
  readonly nextHop: NextHopSettings;
}

/**
 * null: we do not relay to it (I6). `<postmaster>` without a domain (RFC 5321 4.5.1) is that of our first domain.
 * Mail from trusted clients to one of our own domains goes to that domain's server, not out to the world and back; it
 * is judged by the outgoing policy where there is one, for its direction says more about it than its recipient.
 */
export function findRoute(settings: Settings, direction: Direction, recipient: Address): RouteSettings | null {
  const name = recipient.domain === '' ? (settings.domains.keys().next().value ?? '') : recipient.domain;
  const domain = settings.domains.get(name);
  const isOutgoing = direction === 'outgoing';
  if (domain === undefined) {
    const { outgoing } = settings;
    return isOutgoing && outgoing !== null ? route(settings, outgoing.policy, outgoing.nextHop) : null;
  }
  const policy = domain.addresses.get(recipient.localPart.toLowerCase()) ?? domain.policy;
  return route(settings, isOutgoing ? (settings.outgoing?.policy ?? policy) : policy, domain.nextHop);
}

/** Names were checked when the settings were read; a name that is gone all the same is judged by `default`. */
function route(settings: Settings, name: string, nextHop: NextHopSettings): RouteSettings | null {
  const policy = settings.policies.get(name) ?? settings.policies.get('default');
  return policy === undefined ? null : { policy, nextHop };
}
