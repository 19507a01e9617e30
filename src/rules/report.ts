// The last phase: all findings of all scanners, and what the rules make of them, become the Report. Pure.

import { type Auth, type Finding, type Hit, type Stated, unavailable } from '../mail/finding.ts';
import type { Combine, RuleFacts, ScanRun, SpoolEntry } from '../mail/ports.ts';

import type { RuleSet } from './compile.ts';
import type { Group } from './model.ts';
import type { MatchContext } from './view.ts';

const SCANNER = 'rules';

/**
 * Made for one set, with the configured domains of the same version (I9). The facts of the run that has some are the
 * thread's word; without any (it died) the formulas that ask about the message are silent.
 */
export function createCombine(set: RuleSet, ownDomains: readonly string[]): Combine {
  return (entry, runs, summary) => {
    const facts = runs.find(run => run.facts !== undefined)?.facts ?? null;
    const stated = runs.flatMap(run => run.findings.map(finding => ({ finding, scanner: run.scanner })));
    const all = [...stated, ...late({ set, facts, stated, context: entryContext(entry, ownDomains) })];
    const findings = withPoints(set, all);
    const score = round(findings.reduce((sum, finding) => sum + finding.points, 0));
    return { version: 1, id: entry.id, findings, score, ms: times(runs), rulesDigest: set.digest, summary };
  };
}

/** What a message of the spool is to the rules; for `match` and for the formulas. */
export function entryContext(entry: SpoolEntry, ownDomains: readonly string[]): MatchContext {
  return { session: entry.session, envelope: entry.envelope, sizeBytes: entry.sizeBytes, ownDomains };
}

interface StatedBy {
  readonly finding: Finding;
  readonly scanner: string;
}

interface Late {
  readonly set: RuleSet;
  readonly facts: RuleFacts | null;
  readonly stated: readonly StatedBy[];
  readonly context: MatchContext;
}

function late({ set, facts, stated, context }: Late): StatedBy[] {
  if (facts !== null && facts.digest !== set.digest) {
    return [{ scanner: SCANNER, finding: unavailable(SCANNER, 'another set of rules read the message') }];
  }
  const findings = stated.map(one => one.finding);
  const found = new Set(findings.filter((one): one is Hit => one.kind === 'hit').map(one => one.symbol));
  const auth = findings.filter((one): one is Auth => one.kind === 'auth');
  return set.combined({ facts, found, context, auth }).map(finding => ({ finding, scanner: SCANNER }));
}

/** Each symbol counts once, at its greatest strength; groups take away what is beyond their limits, last hits first. */
function withPoints(set: RuleSet, all: readonly StatedBy[]): Stated[] {
  const counted = strongest(all);
  const spent = new Map<string, { up: number; down: number }>();
  const groups = new Map(set.source.groups.map(group => [group.name, group]));
  return all.map(({ finding, scanner }) => {
    const rule = finding.kind === 'hit' ? set.rules.get(finding.symbol) : undefined;
    if (finding.kind !== 'hit' || rule === undefined || !rule.isEnabled)
      return { ...finding, scanner, points: 0, effect: null };
    if (counted.get(finding.symbol) !== finding) return { ...finding, scanner, points: 0, effect: rule.effect };
    const group = rule.group === null ? undefined : groups.get(rule.group);
    const points = round(withinGroup(rule.points * strengthOf(finding), group, spent));
    return { ...finding, scanner, points, effect: rule.effect };
  });
}

function strongest(all: readonly StatedBy[]): Map<string, Finding> {
  const best = new Map<string, Hit>();
  for (const { finding } of all) {
    if (finding.kind !== 'hit') continue;
    const before = best.get(finding.symbol);
    if (before === undefined || strengthOf(finding) > strengthOf(before)) best.set(finding.symbol, finding);
  }
  return best;
}

/** Whatever a scanner said. */
function strengthOf({ strength }: Hit): number {
  return Number.isFinite(strength) ? Math.min(1, Math.max(0, strength)) : 0;
}

function withinGroup(
  points: number,
  group: Group | undefined,
  spent: Map<string, { up: number; down: number }>,
): number {
  if (group === undefined) return points;
  const sums = spent.get(group.name) ?? { up: 0, down: 0 };
  spent.set(group.name, sums);
  if (points > 0) {
    const allowed = group.cap === null ? points : Math.min(points, Math.max(0, group.cap - sums.up));
    sums.up += allowed;
    return allowed;
  }
  const allowed = group.floor === null ? points : Math.max(points, Math.min(0, group.floor - sums.down));
  sums.down += allowed;
  return allowed;
}

function times(runs: readonly ScanRun[]): Record<string, number> {
  const ms: Record<string, number> = {};
  for (const run of runs) ms[run.scanner] = round((ms[run.scanner] ?? 0) + run.ms);
  return ms;
}

function round(value: number): number {
  return Math.round(value * 100) / 100 + 0;
}
