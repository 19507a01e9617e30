// Turns the test of one value into a function. A function says what it saw, or null where the value does not pass.

import { networkMatcher } from '../platform/network.ts';
import type { Sign, Test } from './model.ts';
import { type Folded, isUnder, type Scalar, type View } from './view.ts';

export type RunTest = (value: Scalar, view: View) => string | null;

interface Phrase {
  readonly words: readonly string[];
  readonly phrase: string;
}

/** People read the evidence of several tests in one line. */
const SEEN_MAX = 120;

export function compileTest(test: Test): RunTest {
  switch (test.op) {
    case 'regex': {
      const regex = new RegExp(test.source, test.flags);
      return value => {
        const match = regex.exec(String(value));
        return match === null ? null : shown(match[0]);
      };
    }
    case 'words': {
      const phrases = test.phrases.map(phrase => ({ words: phrase.trim().split(' '), phrase }));
      return (value, view) => wordsIn(view.folded(String(value)), phrases, test.atLeast);
    }
    case 'equals': {
      const values = new Set(test.values);
      return value => (values.has(String(value).toLowerCase()) ? shown(value) : null);
    }
    case 'under':
      return value => (test.domains.some(domain => isUnder(String(value), domain)) ? shown(value) : null);
    case 'own':
      return (value, view) => (view.isOwn(String(value)) ? shown(value) : null);
    case 'networks': {
      const isIn = networkMatcher(test.networks);
      return value => (isIn(String(value)) ? shown(value) : null);
    }
    case 'compare':
      return value => (compares(Number(value), test.sign, test.number) ? shown(value) : null);
    case 'same-as':
      return (value, view) =>
        view.things(test.thing).some(other => isSame(String(value), other[test.field])) ? shown(value) : null;
    case 'yes-no':
      return value => (value === test.value ? '' : null);
    case 'exists':
      return value => (value === '' ? null : shown(value));
  }
}

/** Domains relaxed, as DMARC aligns (RFC 9989): a name below the other is the same. Addresses exactly. */
function isSame(a: string, b: Scalar | null | undefined): boolean {
  if (typeof b !== 'string') return false;
  return a === b || (!a.includes('@') && (isUnder(a, b) || isUnder(b, a)));
}

/** Most phrases are ruled out by their words, a look into a set each; only several in a row need a look at the text. */
function wordsIn({ text, words }: Folded, phrases: readonly Phrase[], atLeast: number): string | null {
  const seen: string[] = [];
  for (const { words: wanted, phrase } of phrases) {
    if (!wanted.every(word => words.has(word)) || (wanted.length > 1 && !text.includes(phrase))) continue;
    seen.push(phrase.trim());
    if (seen.length === atLeast) return shown(seen.join(', '));
  }
  return null;
}

function shown(value: Scalar): string {
  return String(value).slice(0, SEEN_MAX);
}

export function compares(value: number, sign: Sign, number: number): boolean {
  if (sign === '<') return value < number;
  if (sign === '<=') return value <= number;
  if (sign === '>') return value > number;
  return sign === '>=' ? value >= number : value === number;
}
