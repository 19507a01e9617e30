// Rule sets from a text, and the entry of a made-up message, for the tests of the rules.

import assert from 'node:assert/strict';

import type { Finding, Report } from '../../src/mail/finding.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import type { SpoolEntry } from '../../src/mail/ports.ts';
import { BadFile, problemText } from '../../src/platform/problem.ts';
import { compileRules, type RuleSet } from '../../src/rules/compile.ts';
import { contextOf, EXAMPLE_OWN, messageOf } from '../../src/rules/example.ts';
import { lintTexts } from '../../src/rules/load.ts';
import { createCombine } from '../../src/rules/report.ts';

/** Each text is a folder of its own: later ones win. */
export function ruleSet(...texts: readonly string[]): RuleSet {
  const { source, problems } = lintTexts(texts.map((text, folder) => ({ folder, file: `${folder}.yaml`, text })));
  if (source === null) throw new BadFile(problems);
  return compileRules(source);
}

/** What is said of texts that cannot be used. */
export function problemsOf(...texts: readonly string[]): string {
  const { problems } = lintTexts(texts.map((text, folder) => ({ folder, file: `${folder}.yaml`, text })));
  assert.notEqual(problems.length, 0, 'the rules were taken');
  return problems.map(problemText).join('\n');
}

/** The pieces of an example, as docs/rules.md has them. */
export type Pieces = Readonly<Record<string, unknown>>;

export function entryOf(pieces: Pieces): SpoolEntry {
  const { session, envelope, sizeBytes } = contextOf(pieces);
  const id = mailId(0, new Uint8Array(5));
  return { id, session, envelope, content: { path: '/nowhere' }, sizeBytes, sha256: '', receivedAt: 0 };
}

/** The whole way: the thread's part, the findings of a scanner, the report. */
export function judge(set: RuleSet, pieces: Pieces, findings: readonly Finding[] = []): Report {
  const matched = set.match(messageOf(pieces), contextOf(pieces));
  const runs = [
    { scanner: 'rules', ms: 1, findings: matched.hits, facts: structuredClone(matched.facts) },
    { scanner: 'other', ms: 2, findings },
  ];
  return createCombine(set, [EXAMPLE_OWN])(entryOf(pieces), runs, null);
}

/** Symbols of all hits, in order. */
export function symbols(report: Report): string[] {
  return report.findings.filter(one => one.kind === 'hit').map(one => one.symbol);
}
