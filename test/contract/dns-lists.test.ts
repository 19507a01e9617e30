import { CachedResolver } from '../../src/platform/dns.ts';
import { silentLog } from '../../src/platform/log.ts';
import { createDnsLists } from '../../src/scanners/dns-lists/dns-lists.ts';
import { type LiarMode, startDnsLiar } from '../support/dns-liar.ts';
import { needs } from '../support/require.ts';
import { startUnbound } from '../support/unbound.ts';
import { type Bench, scannerContract } from './scanner.ts';

function bench(server: string, stop: () => Promise<void>, deadlineMs = 300): Bench {
  const resolver = new CachedResolver({ servers: [server], deadlineMs });
  const scanner = createDnsLists({
    lists: [
      {
        zone: 'zen.example',
        kind: 'ip',
        codes: [{ kind: 'range', first: '127.0.0.2', last: '127.0.0.9', symbol: 'DNSBL_ZEN' }],
        test: { listed: '127.0.0.2', notListed: '127.0.0.1' },
      },
    ],
    resolver,
    log: silentLog(),
    maxQueries: 60,
    ownDomains: [],
    testDeadlineMs: 60_000,
  });
  return {
    scanner,
    connections: () => null,
    stop: async () => {
      resolver.close();
      await stop();
    },
  };
}

async function liar(mode: LiarMode): Promise<Bench> {
  const server = await startDnsLiar(mode);
  return bench(server.server, () => server.stop());
}

scannerContract({
  name: 'dns-lists',
  healthy: async t => {
    if (!needs(t, 'unbound')) return null;
    const unbound = await startUnbound([
      '2.0.0.127.zen.example. 60 IN A 127.0.0.2',
      '7.100.51.198.zen.example. 60 IN A 127.0.0.4',
    ]);
    return bench(unbound.server, () => unbound.stop(), 4000);
  },
  stalled: async () => {
    const server = await startDnsLiar('silent');
    return bench(server.server, () => server.stop(), 60_000);
  },
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
