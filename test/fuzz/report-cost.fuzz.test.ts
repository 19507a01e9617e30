// The largest report there can be, on the main thread: combine, its way through Redis, decision, header block, rows. Each
// below a tenth of a second, for everybody else waits meanwhile; and growing with the report, not with its square.

import { join } from 'node:path';
import { test } from 'node:test';

import type { Finding, Report } from '../../src/mail/finding.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import { stamp } from '../../src/mail/stamp.ts';
import { decide } from '../../src/mail/verdict.ts';
import { decodeAnswer, encodeAnswer } from '../../src/pipeline/answer.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { loadRules } from '../../src/rules/load.ts';
import { createCombine } from '../../src/rules/report.ts';
import { compiled, sqliteQueries } from '../../src/store/queries.ts';
import { recordSteps } from '../../src/store/record-rows.ts';
import { ledgerRecord, SAMPLE_POLICY, spoolEntry } from '../support/sample-record.ts';
import { assertCheap } from './cost.ts';

const ID = mailId(1, new Uint8Array(5));
const HOST = 'mx.example.com';
/** Of each scanner (src/pipeline/judge.ts), and as many scanners as there are. */
const FINDINGS = 1000;
const SCANNERS = 4;
const LIMIT_MS = 100;
const LONG = '漢"\\'.repeat(100);

const KINDS: Readonly<Record<string, (n: number) => Finding>> = {
  hits: n => ({ kind: 'hit', symbol: `SYMBOL_${n}`, strength: 1, evidence: LONG }),
  'hits of one symbol': n => ({ kind: 'hit', symbol: 'GTUBE', strength: n / 1e6, evidence: LONG }),
  malware: n => ({ kind: 'malware', signature: `Eicar-${n}`, part: LONG }),
  unscannable: () => ({ kind: 'unscannable', reason: LONG, part: LONG }),
  unavailable: n => ({ kind: 'unavailable', scanner: `scanner-${n}`, reason: LONG }),
  results: () => ({
    kind: 'auth',
    method: 'dkim',
    result: 'pass',
    properties: { 'header.d': LONG, 'header.i': LONG },
    comment: LONG,
  }),
};

test('the largest report there can be holds nobody up', async () => {
  const combine = createCombine(compileRules(loadRules([join(import.meta.dirname, '../../rules')])), ['example.org']);
  const entry = spoolEntry(ID);
  const db = sqliteQueries();
  for (const [kind, make] of Object.entries(KINDS)) {
    const runs = (count: number) =>
      Array.from({ length: SCANNERS }, (_, scanner) => ({
        scanner: `scanner-${scanner}`,
        ms: 1,
        findings: Array.from({ length: count }, (_, n) => make(n)),
      }));
    const reports = new Map<number, Report>();
    const steps: Readonly<Record<string, (report: Report, count: number) => unknown>> = {
      combine: (_, count) => combine(entry, runs(count), null),
      'the way through Redis': report => decodeAnswer(ID, encodeAnswer({ kind: 'report', report })),
      decide: report => decide(report, SAMPLE_POLICY),
      stamp: report =>
        stamp({
          ...ledgerRecord({ id: ID }),
          hostname: HOST,
          envelope: entry.envelope,
          report,
          verdict: decide(report, SAMPLE_POLICY),
          requiredScore: 5,
          receivedAt: 0,
        }),
      rows: report =>
        recordSteps(db, { ...ledgerRecord({ id: ID, entry }), report, verdict: decide(report, SAMPLE_POLICY) }).map(
          compiled,
        ),
    };
    for (const [step, work] of Object.entries(steps)) {
      await assertCheap({
        name: `${step} of ${kind}`,
        // The number of findings, for there are no bytes: a buffer of that length.
        make: count => {
          reports.set(count, combine(entry, runs(count), null));
          return Buffer.alloc(count);
        },
        work: ({ length }) => {
          const report = reports.get(length);
          if (report !== undefined) work(report, length);
        },
        bytes: FINDINGS / 4,
        limitMs: LIMIT_MS,
      });
    }
  }
});
