// The scanner contract for scanners that ask DNS: the same faults, seen through the same resolver.

import type { Scanner } from '../../src/mail/ports.ts';
import { CachedResolver, type Resolver } from '../../src/platform/dns.ts';
import { type LiarMode, startDnsLiar } from '../support/dns-liar.ts';
import { needs } from '../support/require.ts';
import { startUnbound } from '../support/unbound.ts';
import { type Bench, type Subject, scannerContract } from './scanner.ts';

export interface DnsScanner extends Pick<Subject, 'name' | 'saysNothingKnown'> {
  /** `deadlineMs` is the resolver's for one question. */
  readonly create: (resolver: Resolver, deadlineMs: number) => Scanner;
  /** Lines of the zone in which the healthy scanner finds something. */
  readonly zone: readonly string[];
  /** Of the resolver, where DNS is at fault; each question waits for it. */
  readonly faultyMs: number;
}

export function dnsScannerContract({ create, zone, faultyMs, ...rest }: DnsScanner): void {
  const bench = (server: string, stop: () => Promise<void>, deadlineMs = faultyMs): Bench => {
    const resolver = new CachedResolver({ servers: [server], deadlineMs });
    return {
      scanner: create(resolver, deadlineMs),
      connections: () => null,
      stop: async () => {
        resolver.close();
        await stop();
      },
    };
  };
  const liar = async (mode: LiarMode, deadlineMs?: number): Promise<Bench> => {
    const server = await startDnsLiar(mode);
    return bench(server.server, () => server.stop(), deadlineMs);
  };
  scannerContract({
    ...rest,
    healthy: async t => {
      if (!needs(t, 'unbound')) return null;
      const unbound = await startUnbound(zone);
      return bench(unbound.server, () => unbound.stop(), 4000);
    },
    stalled: () => liar('silent', 60_000),
    faults: {
      'is not there': async () => {
        const server = await startDnsLiar('silent');
        await server.stop();
        return bench(server.server, async () => undefined);
      },
      'says nothing': () => liar('silent'),
      'answers garbage': () => liar('garbage'),
      'answers by half': () => liar('half'),
      refuses: () => liar('refuse'),
      fails: () => liar('fail'),
    },
    message: {},
  });
}
