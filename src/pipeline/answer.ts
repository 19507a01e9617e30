// The verdict on its way from the worker to the waiting SMTP session: a report, or why there is none. Bounded, for it
// travels through Redis.

import type { Finding, Report, Stated } from '../mail/finding.ts';
import type { MailId } from '../mail/mail-id.ts';

export type Answer =
  | { readonly kind: 'report'; readonly report: Report }
  | { readonly kind: 'failed'; readonly reason: string };

/** A report is some KB; only a message made for it gets near this. */
export const ANSWER_MAX_BYTES = 256 * 1024;
/** What evidence is cut to when the report is too large, and how many findings are kept then. */
const SHORT_EVIDENCE = 60;
const KEPT_FINDINGS = 500;

/** JSON of at most ANSWER_MAX_BYTES: evidence is cut first, then hits without points go. Malware and points stay. */
export function encodeAnswer(answer: Answer): string {
  const whole = JSON.stringify(answer);
  if (Buffer.byteLength(whole) <= ANSWER_MAX_BYTES || answer.kind === 'failed') return whole;
  const cut = { ...answer.report, findings: answer.report.findings.map(shortened) };
  const shorter = JSON.stringify({ kind: 'report', report: cut });
  if (Buffer.byteLength(shorter) <= ANSWER_MAX_BYTES) return shorter;
  const findings = [...cut.findings].sort((a, b) => weight(b) - weight(a)).slice(0, KEPT_FINDINGS);
  const least = JSON.stringify({ kind: 'report', report: { ...cut, findings, summary: null } });
  if (Buffer.byteLength(least) <= ANSWER_MAX_BYTES) return least;
  return JSON.stringify({ kind: 'failed', reason: 'the report is too large' });
}

/** The same bounds for an answer that stays in this process, where it costs no JSON unless it is large. */
export function boundedAnswer(answer: Answer): Answer {
  if (answer.kind === 'failed' || roughBytes(answer.report) < ANSWER_MAX_BYTES / 4) return answer;
  return decodeAnswer(answer.report.id, encodeAnswer(answer)) ?? { kind: 'failed', reason: 'the report is too large' };
}

/** More than it will be: names, numbers and braces are short, and a character of JSON is six bytes at most. */
function roughBytes({ findings, summary }: Report): number {
  const { from = [], linkDomains = [], attachments = [] } = summary ?? {};
  const lists = [...from, ...linkDomains, ...attachments.map(attachment => JSON.stringify(attachment))];
  const words = [summary?.subject ?? '', summary?.messageId ?? '', ...lists].reduce(
    (sum, word) => sum + word.length,
    0,
  );
  return findings.reduce((sum, finding) => sum + 200 + wordsOf(finding), 6 * words);
}

function wordsOf(finding: Stated): number {
  if (finding.kind === 'hit') return 6 * finding.evidence.length;
  return finding.kind === 'auth' ? 6 * JSON.stringify(finding).length : 0;
}

/** null for what is no answer for this message. */
export function decodeAnswer(id: MailId, text: string): Answer | null {
  try {
    const answer = JSON.parse(text) as Partial<{ kind: unknown; reason: unknown; report: Report }>;
    if (answer.kind === 'failed' && typeof answer.reason === 'string') return { kind: 'failed', reason: answer.reason };
    const { report } = answer;
    const isReport = answer.kind === 'report' && report?.version === 1 && report.id === id;
    return isReport && Array.isArray(report.findings) ? { kind: 'report', report } : null;
  } catch {
    return null;
  }
}

function shortened(finding: Stated): Stated {
  if (finding.kind === 'hit') return { ...finding, evidence: finding.evidence.slice(0, SHORT_EVIDENCE) };
  if (finding.kind === 'auth') return { ...finding, properties: {}, comment: '' };
  return finding;
}

/** What decides comes first: a finding that policy may act on, then points, then the rest. */
function weight(finding: Stated): number {
  const acts: readonly Finding['kind'][] = ['malware', 'unscannable', 'unavailable'];
  if (acts.includes(finding.kind) || finding.effect !== null) return Number.MAX_VALUE;
  return Math.abs(finding.points);
}
