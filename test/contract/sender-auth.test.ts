import type { Finding } from '../../src/mail/finding.ts';
import { CachedResolver } from '../../src/platform/dns.ts';
import { createThreads } from '../../src/platform/threads.ts';
import { createSenderAuth, SENDER_AUTH_THREAD } from '../../src/scanners/sender-auth/sender-auth.ts';
import { type LiarMode, startDnsLiar } from '../support/dns-liar.ts';
import { needs } from '../support/require.ts';
import { startUnbound } from '../support/unbound.ts';
import { type Bench, scannerContract } from './scanner.ts';

function bench(server: string, stop: () => Promise<void>, deadlineMs = 400): Bench {
  const resolver = new CachedResolver({ servers: [server], deadlineMs });
  const threads = createThreads({
    name: 'sender-auth',
    file: SENDER_AUTH_THREAD,
    threads: 1,
    tasksPerThread: 8,
    maxQueue: 100,
    heapMb: 128,
  });
  const options = {
    threads,
    resolver,
    hostname: 'mx.example.net',
    maxSignatures: 10,
    minRsaBits: 1024,
    maxLookups: 100,
    dnsDeadlineMs: 2 * deadlineMs,
  };
  const scanner = createSenderAuth(options);
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

/** DNS that gives no answer is a fact with a name of its own in RFC 8601. */
function saysNothingKnown(findings: readonly Finding[]): boolean {
  if (findings.some(finding => finding.kind === 'unavailable')) return true;
  const results = findings.flatMap(finding => (finding.kind === 'auth' ? [`${finding.method}=${finding.result}`] : []));
  return results.includes('spf=temperror') && results.includes('dmarc=temperror');
}

scannerContract({
  name: 'sender-auth',
  healthy: async t => {
    if (!needs(t, 'unbound')) return null;
    const unbound = await startUnbound([
      'example.org. 60 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"',
      '_dmarc.example.org. 60 IN TXT "v=DMARC1; p=reject"',
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
  saysNothingKnown,
});
