// Makes the next hop of a route from its settings. Called by main.ts, once a route.

import type { NextHop } from '../mail/ports.ts';

import { parseHost, type ServerHost } from './host.ts';
import { MaildirHop } from './maildir-hop.ts';
import { HOP_POOL, HOP_TIMEOUTS, type NextHopOptions } from './options.ts';
import { SmtpHop } from './smtp-hop.ts';

/** Connects nothing yet. Throws RangeError, in words for the administrator, where the hosts make no sense. */
export function createNextHop(options: NextHopOptions): NextHop {
  if (!/^[A-Za-z0-9[][A-Za-z0-9.:[\]_-]{0,254}$/.test(options.hostname)) {
    throw new RangeError(`"${options.hostname.slice(0, 100)}" is no host name to say in EHLO`);
  }
  const hosts = options.hosts.map(parseHost);
  const [first] = hosts;
  if (first === undefined) throw new RangeError('a next hop needs at least one host');
  if (first.kind === 'maildir' && hosts.length === 1) return new MaildirHop(first, options.hostname);
  const servers = hosts.filter((host): host is ServerHost => host.kind === first.kind && host.kind !== 'maildir');
  if (servers.length < hosts.length) {
    throw new RangeError(`the hosts of one next hop speak one protocol: ${hosts.map(host => host.name).join(', ')}`);
  }
  return new SmtpHop(servers, {
    tls: options.tls,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    hostname: options.hostname,
    ...(options.ownWord === undefined ? {} : { ownWord: options.ownWord }),
    timeouts: { ...HOP_TIMEOUTS, ...options.timeouts },
    pool: { ...HOP_POOL, ...options.pool },
    log: options.log,
  });
}
