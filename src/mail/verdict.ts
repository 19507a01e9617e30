// The decision: a report and a policy make a verdict. Pure, total, no I/O (I3).

import type { Effect, Report, Stated, Unavailable } from './finding.ts';
import type { Outcome, Policy } from './policy.ts';

/** Why a verdict is what it is: a stable word, and what a person may read. */
export interface Reason {
  readonly cause: 'malware' | 'unscannable' | 'unavailable' | 'effect' | 'score';
  readonly text: string;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly score: number;
  readonly policy: string;
  /** The first is the one that decided; the others would have mattered without it. */
  readonly reasons: readonly Reason[];
}

/** Effects of rules, strongest first: a message that two rules name is treated as the stronger says. */
const EFFECTS: readonly Effect[] = ['discard', 'reject', 'quarantine', 'tag'];

interface Choice {
  readonly outcome: Outcome;
  readonly reason: Reason;
}

/**
 * What happens to a message. Precedence: malware, unscannable, unavailable, named effect of a rule, score.
 * A choice of `accept` for what is unscannable or unavailable lets the later ones decide; it never makes mail better
 * than its score.
 */
export function decide(report: Report, policy: Policy): Verdict {
  const choices = [
    ...malware(report, policy),
    ...unscannable(report, policy),
    ...unavailable(report, policy),
    ...effects(report),
    ...score(report, policy),
  ];
  const first = choices.find(choice => choice.outcome !== 'accept');
  const decisive = strongestOfTag(first, choices);
  const reasons = decisive === undefined ? choices : [decisive, ...choices.filter(choice => choice !== decisive)];
  return {
    outcome: decisive?.outcome ?? 'accept',
    score: report.score,
    policy: policy.name,
    reasons: reasons.map(choice => choice.reason),
  };
}

/** `tag` is the mildest: where it comes first but a later cause asks for more, the later one decides. */
function strongestOfTag(first: Choice | undefined, choices: readonly Choice[]): Choice | undefined {
  if (first?.outcome !== 'tag') return first;
  return choices.find(choice => choice.outcome !== 'accept' && choice.outcome !== 'tag') ?? first;
}

function malware(report: Report, policy: Policy): Choice[] {
  return report.findings
    .filter(finding => finding.kind === 'malware')
    .map(finding => ({
      outcome: policy.malware,
      reason: { cause: 'malware', text: `${finding.scanner} found ${finding.signature}${inPart(finding.part)}` },
    }));
}

function unscannable(report: Report, policy: Policy): Choice[] {
  return report.findings
    .filter(finding => finding.kind === 'unscannable')
    .map(finding => ({
      outcome: policy.unscannable,
      reason: { cause: 'unscannable', text: `cannot be read: ${finding.reason}${inPart(finding.part)}` },
    }));
}

/** The strictest choice among the scanners that gave no answer comes first: defer, quarantine, tag, accept. */
function unavailable(report: Report, policy: Policy): Choice[] {
  const order: readonly Outcome[] = ['defer', 'quarantine', 'tag', 'accept'];
  return report.findings
    .filter((finding): finding is Stated<Unavailable> => finding.kind === 'unavailable')
    .map(finding => ({
      outcome: choiceFor(finding.scanner, policy),
      reason: { cause: 'unavailable' as const, text: `${finding.scanner} gave no answer: ${finding.reason}` },
    }))
    .sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
}

/** Own entries only: a scanner named like a member of Object must not find one. */
function choiceFor(scanner: string, { unavailable }: Policy): Outcome {
  return (Object.hasOwn(unavailable, scanner) ? unavailable[scanner] : unavailable['*']) ?? 'accept';
}

function effects(report: Report): Choice[] {
  return EFFECTS.flatMap(effect =>
    report.findings
      .filter(finding => finding.kind === 'hit' && finding.effect === effect)
      .map(finding => ({
        outcome: effect,
        reason: {
          cause: 'effect' as const,
          text: `rule ${finding.kind === 'hit' ? finding.symbol : ''} asks to ${effect}`,
        },
      })),
  );
}

function score(report: Report, policy: Policy): Choice[] {
  const { tag, quarantine, reject } = policy.thresholds;
  const at = report.score;
  const outcome: Outcome = at >= reject ? 'reject' : at >= quarantine ? 'quarantine' : at >= tag ? 'tag' : 'accept';
  const limit = { reject, quarantine, tag, accept: tag }[outcome as 'reject' | 'quarantine' | 'tag' | 'accept'];
  const text =
    outcome === 'accept' ? `score ${at} is below ${limit} (tag)` : `score ${at} reaches ${limit} (${outcome})`;
  return [{ outcome, reason: { cause: 'score', text } }];
}

function inPart(part: string): string {
  return part === '' ? '' : ` in part ${part}`;
}
