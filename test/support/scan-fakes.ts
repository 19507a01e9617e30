// Fakes for the parts the pipeline puts together: entries without files, an expander, scanners, a plain combine.

import { randomBytes } from 'node:crypto';

import type { Finding, Report } from '../../src/mail/finding.ts';
import { type MailId, mailId } from '../../src/mail/mail-id.ts';
import type { Combine, Expanded, Expander, Health, Scanner, SpoolEntry } from '../../src/mail/ports.ts';

export function newId(): MailId {
  return mailId(Date.now(), randomBytes(5));
}

export function fakeEntry(id: MailId = newId(), sizeBytes = 1000): SpoolEntry {
  return {
    id,
    session: {
      id: newId(),
      clientAddress: '192.0.2.1',
      clientPort: 40_000,
      ptr: null,
      helo: 'client.example',
      esmtp: true,
      tls: null,
      listener: 'public',
      direction: 'incoming',
      startedAt: 1,
    },
    envelope: {
      mailFrom: { raw: '<>', address: null },
      rcptTo: [],
      smtpUtf8: false,
      body: '7BIT',
      declaredSize: null,
    },
    content: { path: `/nowhere/${id}` },
    sizeBytes,
    sha256: '0'.repeat(64),
    receivedAt: 1,
  };
}

/** Opens every id that looks like one. */
export const fakeSpool = { open: async (id: MailId) => fakeEntry(id) };

export function fakeExpander(expand: Expander['expand']): Expander {
  return { expand, health: async () => ok('rules'), close: async () => undefined };
}

export const quickExpander = fakeExpander(async (): Promise<Expanded> => ({ findings: [], summary: null }));

/** Never answers by itself; rejects as a killed thread does. `calls` counts the tries. */
export function stuckExpander(): Expander & { calls: number } {
  const expander = {
    calls: 0,
    expand: (_entry: SpoolEntry, signal: AbortSignal) => {
      expander.calls += 1;
      return untilAborted(signal);
    },
    health: async () => ok('rules'),
    close: async () => undefined,
  };
  return expander;
}

export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

export function fakeScanner(name: string, scan: Scanner['scan']): Scanner {
  return { name, scan, health: async () => ok(name), close: async () => undefined };
}

export const plainCombine: Combine = (entry, runs, summary): Report => ({
  version: 1,
  id: entry.id,
  findings: runs.flatMap(run =>
    run.findings.map((finding: Finding) => ({ ...finding, scanner: run.scanner, points: 0, effect: null })),
  ),
  score: 0,
  ms: Object.fromEntries(runs.map(run => [run.scanner, run.ms])),
  rulesDigest: '0'.repeat(12),
  summary,
});

function ok(part: string): Health {
  return { part, level: 'ok', says: '', next: '' };
}
