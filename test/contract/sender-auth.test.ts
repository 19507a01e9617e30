import type { Finding } from '../../src/mail/finding.ts';
import { createThreads } from '../../src/platform/threads.ts';
import { createSenderAuth, SENDER_AUTH_THREAD } from '../../src/scanners/sender-auth/sender-auth.ts';
import { dnsScannerContract } from './dns-scanner.ts';

/** DNS that gives no answer is a fact with a name of its own in RFC 8601. */
function saysNothingKnown(findings: readonly Finding[]): boolean {
  if (findings.some(finding => finding.kind === 'unavailable')) return true;
  const results = findings.flatMap(finding => (finding.kind === 'auth' ? [`${finding.method}=${finding.result}`] : []));
  return results.includes('spf=temperror') && results.includes('dmarc=temperror');
}

dnsScannerContract({
  name: 'sender-auth',
  create: (resolver, deadlineMs) =>
    createSenderAuth({
      threads: createThreads({
        name: 'sender-auth',
        file: SENDER_AUTH_THREAD,
        threads: 1,
        tasksPerThread: 8,
        maxQueue: 100,
        heapMb: 128,
      }),
      resolver,
      hostname: 'mx.example.net',
      maxSignatures: 10,
      minRsaBits: 1024,
      maxLookups: 100,
      dnsDeadlineMs: 2 * deadlineMs,
    }),
  zone: [
    'example.org. 60 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"',
    '_dmarc.example.org. 60 IN TXT "v=DMARC1; p=reject"',
  ],
  faultyMs: 400,
  saysNothingKnown,
});
