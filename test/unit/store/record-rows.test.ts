import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { LedgerRecord } from '../../../src/mail/ports.ts';
import { compiled, sqliteQueries } from '../../../src/store/queries.ts';
import { recordSteps } from '../../../src/store/record-rows.ts';
import { ledgerRecord, newId, report } from '../../support/sample-record.ts';

const statements = (record: LedgerRecord) => recordSteps(sqliteQueries(), record).map(compiled);

test('ten thousand recipients stay below the number of parameters a statement may have', () => {
  const to = Array.from({ length: 9999 }, (_, i) => `r${i}@example.com`);
  const found = statements(ledgerRecord({ id: newId(), to }));
  assert.ok(found.length > 20);
  for (const { parameters } of found) assert.ok(parameters.length < 32_766);
});

test('what a message can make long is cut', () => {
  const id = newId();
  const base = ledgerRecord({ id });
  const hit = { kind: 'hit', symbol: 'X', strength: 1, scanner: 'rules', points: 1, effect: null } as const;
  const findings = Array.from({ length: 5000 }, (_, i) => ({ ...hit, evidence: `${i} `.padEnd(300, 'e') }));
  const long = 'l'.repeat(100_000);
  const summary = { subject: long, from: Array(50).fill(long), messageId: long, linkDomains: [], attachments: [] };
  const record = {
    ...base,
    report: { ...report(id), findings, summary },
    mailFrom: { raw: long, address: null },
    reply: long,
    notes: [long],
    session: { ...base.session, helo: long },
  };
  const size = statements(record).reduce((sum, { parameters }) => sum + JSON.stringify(parameters).length, 0);
  assert.ok(size < 100_000, `${size} characters`);
  const messages = statements(record)[0]?.parameters.map(String) ?? [];
  assert.ok(messages.some(text => /"kind":"cut","missing":\d{4}/.test(text)));
});

test('a score that is no number is no row that breaks the database', () => {
  const base = ledgerRecord({ id: newId() });
  const verdict = base.verdict === null ? null : { ...base.verdict, score: Number.NaN };
  assert.ok(statements({ ...base, verdict })[0]?.parameters.every(value => !Number.isNaN(value)));
});
