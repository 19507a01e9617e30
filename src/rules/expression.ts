// Regular expressions as rules write them: /pattern/flags, read and judged when the rules are loaded.

import { slowestAttack } from './attack.ts';

/** Longer ones cannot be read by people either. */
export const PATTERN_MAX = 2000;
/** What a rule sees of one line (a header, an address, a URL), and of one text; attacks are as long. */
export const LINE_MAX = 8192;
export const TEXT_MAX = 262_144;
/** Attack strings for texts. Long enough to show quadratic work as such, short enough to load 500 rules quickly. */
const TEXT_ATTACK = 32_768;

export interface Expression {
  readonly source: string;
  readonly flags: string;
}

export interface Fault {
  readonly message: string;
  readonly hint: string;
}

export function isExpression(text: string): boolean {
  return text.startsWith('/');
}

/** Reads a literal; a Fault where it is none that can be used. Does not run it. */
export function parseExpression(text: string): Expression | Fault {
  const end = text.lastIndexOf('/');
  if (end === 0) return { message: 'the expression has no closing /', hint: 'write it as /pattern/ or /pattern/i' };
  const [source, flags] = [text.slice(1, end), text.slice(end + 1)];
  if (source === '')
    return { message: 'the expression is empty', hint: 'to ask whether there is a value write `exists`' };
  if (source.length > PATTERN_MAX) {
    return {
      message: `the expression has ${source.length} characters`,
      hint: `at most ${PATTERN_MAX}: split it, or use \`words\``,
    };
  }
  const strange = [...flags].find(flag => !'ismu'.includes(flag));
  if (strange !== undefined) {
    return { message: `unknown flag "${strange}" after the expression`, hint: flagHint(strange) };
  }
  if (new Set(flags).size < flags.length) return { message: `a flag stands twice: "${flags}"`, hint: '' };
  try {
    new RegExp(source, flags);
  } catch (error) {
    const reason = (error instanceof Error ? error.message : '').replace(/^.*\/[a-z]*: /s, '');
    return { message: `not a valid expression: ${reason}`, hint: syntaxHint(source, reason) };
  }
  return { source, flags };
}

/** What makes a valid expression unfit for a target: it hits everything, or takes too long on hostile text. */
export function judgeExpression({ source, flags }: Expression, isText: boolean): Fault | null {
  const regex = new RegExp(source, flags);
  if (['', 'x', 'Hello there, 1 + 1.\n'].every(text => regex.test(text))) {
    return {
      message: 'the expression matches every text',
      hint: 'something in it must be there: is a | or a * too many?',
    };
  }
  const slow = slowestAttack(source, flags, isText ? TEXT_ATTACK : LINE_MAX);
  if (slow === null) return null;
  const [length, shown] = [isText ? TEXT_ATTACK : LINE_MAX, JSON.stringify(slow.pump.slice(0, 30))];
  return {
    message: `the expression is slow: over ${slow.limitMs} ms on ${length} characters of ${shown}`,
    hint: 'an attacker could stop mail with it: bound what repeats (.{0,100} for .*), and let no two repetitions match the same',
  };
}

function flagHint(flag: string): string {
  if (flag === 'g' || flag === 'y') return 'one match is enough: leave it out';
  if (flag === 'x') return 'spaces count here: leave it out';
  return 'possible are i (any case), s (. matches line ends), m (^ and $ at every line) and u (Unicode)';
}

function syntaxHint(source: string, reason: string): string {
  if (/\(\?[a-z]+\)/.test(source)) return 'flags stand after the last slash: /pattern/i';
  if (/\(\?>|[*+?}]\+/.test(source)) return 'possessive and atomic groups do not exist here';
  if (/unterminated (?:group|character)|unmatched/i.test(reason))
    return 'a bracket is missing, or needs a \\ before it';
  if (/nothing to repeat/i.test(reason)) return 'put a \\ before a *, + or ? that is meant as itself';
  return '';
}
