// A message as the gateway would hand it over: for tests of spool, store, ledger and quarantine.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { parseAddress } from '../../src/mail/address.ts';
import type { State } from '../../src/mail/disposition.ts';
import type { Envelope, Recipient, ReversePath } from '../../src/mail/envelope.ts';
import type { Report } from '../../src/mail/finding.ts';
import { copyId, type MailId, mailId } from '../../src/mail/mail-id.ts';
import type { Policy } from '../../src/mail/policy.ts';
import type { LedgerRecord, SpoolEntry } from '../../src/mail/ports.ts';
import type { Session } from '../../src/mail/session.ts';
import type { Verdict } from '../../src/mail/verdict.ts';

export const SAMPLE_POLICY: Policy = {
  name: 'default',
  thresholds: { tag: 5, quarantine: 8, reject: 15 },
  malware: 'reject',
  unscannable: 'quarantine',
  unavailable: { '*': 'accept' },
};

export function newId(nowMs = Date.now()): MailId {
  return mailId(nowMs, randomBytes(5));
}

export function session(changes: Partial<Session> = {}): Session {
  return {
    id: newId(),
    clientAddress: '192.0.2.1',
    clientPort: 40000,
    ptr: 'mail.example.org',
    helo: 'mail.example.org',
    esmtp: true,
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
    listener: 'public',
    direction: 'incoming',
    startedAt: Date.now(),
    ...changes,
  };
}

export function recipient(text: string): Recipient {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return { raw: `<${text}>`, address };
}

export function mailFrom(text: string): ReversePath {
  return { raw: `<${text}> BODY=8BITMIME`, address: text === '' ? null : recipient(text).address };
}

export function envelope(from: string, to: readonly string[]): Envelope {
  return { mailFrom: mailFrom(from), rcptTo: to.map(recipient), smtpUtf8: false, body: '8BITMIME', declaredSize: null };
}

export function report(id: MailId): Report {
  const hit = { kind: 'hit', symbol: 'GTUBE', strength: 1, evidence: 'the test string' } as const;
  return {
    version: 1,
    id,
    findings: [
      {
        kind: 'auth',
        method: 'spf',
        result: 'pass',
        properties: {},
        comment: '',
        scanner: 'sender-auth',
        points: 0,
        effect: null,
      },
      { ...hit, scanner: 'rules', points: 1000, effect: null },
    ],
    score: 1000,
    ms: { rules: 3, clamav: 12 },
    rulesDigest: '0123456789ab',
    summary: {
      subject: 'Test of spam',
      from: ['sender@example.org'],
      messageId: '<one@example.org>',
      linkDomains: [],
      attachments: [],
    },
  };
}

export const VERDICT: Verdict = {
  outcome: 'quarantine',
  score: 1000,
  policy: 'default',
  reasons: [{ cause: 'score', text: 'score 1000 reaches 8 (quarantine)' }],
};

export interface Sample {
  readonly id: MailId;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly state?: State;
  readonly words?: string;
  readonly entry?: SpoolEntry | null;
  readonly endedAt?: number;
}

/** A record with report and verdict; every copy in the same state. */
export function ledgerRecord(sample: Sample): LedgerRecord {
  const { id, from = 'sender@example.org', to = ['rcpt@example.com'], state = 'held', words = '250 2.6.0 ok' } = sample;
  const endedAt = sample.endedAt ?? Date.now();
  return {
    id,
    session: session(),
    mailFrom: mailFrom(from),
    startedAt: endedAt - 100,
    endedAt,
    entry: sample.entry === undefined ? spoolEntry(id, { from, to }) : sample.entry,
    report: report(id),
    verdict: VERDICT,
    nextHop: 'smtp://10.0.0.5:25',
    reply: words,
    copies: to.map((address, index) => ({
      copyId: copyId(id, index),
      recipient: recipient(address),
      disposition: { state, words, host: state === 'relayed' ? 'smtp://10.0.0.5:25' : '' },
    })),
    ms: { data: 5, scan: 20 },
  };
}

/** An entry without bytes. */
export function spoolEntry(id: MailId, parties: Pick<Sample, 'from' | 'to'> = {}): SpoolEntry {
  const { from = 'sender@example.org', to = ['rcpt@example.com'] } = parties;
  return {
    id,
    session: session(),
    envelope: envelope(from, to),
    content: { path: `/nowhere/${id}.eml` },
    sizeBytes: 100,
    sha256: 'ab'.repeat(32),
    receivedAt: Date.now(),
  };
}

export function held(record: LedgerRecord, entry: SpoolEntry): LedgerRecord & { readonly entry: SpoolEntry } {
  return { ...record, session: entry.session, mailFrom: entry.envelope.mailFrom, entry };
}

/** A folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
