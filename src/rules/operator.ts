// Reads what stands behind a target: the test of its value. `/spam/i`, `exists`, `own`, '> 5', {words: [...]}, a list.

import { type Address, parseAddress, parseDomain } from '../mail/address.ts';
import { networkHint, parseNetwork } from '../platform/network.ts';
import { nearest } from '../platform/problem.ts';
import { isExpression, judgeExpression, parseExpression } from './expression.ts';
import type { Sign, Test } from './model.ts';
import { found, isMap, type Place } from './place.ts';
import { fieldSpec, THINGS, thingSpec, type ValueKind, type ValueSpec } from './targets.ts';
import { fold } from './words.ts';

/** `missing` and `count` are said of all values of a target together: the condition reader turns them around. */
export type Read =
  | Test
  | { readonly op: 'missing' }
  | { readonly op: 'count'; readonly sign: Sign; readonly number: number };

/** A list of more is a file of its own, in a later version. */
const LIST_MAX = 10_000;
const COMPARISON = /^(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*([kKmMgG]i?[bB]?|[bB])?$/;
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const OPERATORS = ['matches', 'words', 'equals', 'in', 'under', 'same-as', 'count'];
const MANY_WORDS: readonly ValueKind[] = ['text', 'line'];

/** null where it is wrong; the problem is noted. */
export function readTest(place: Place, spec: ValueSpec): Read | null {
  const { value } = place;
  if (value === 'exists' || value === 'missing') return { op: value };
  if (isMap(value)) return readOperator(place, spec);
  if (Array.isArray(value)) return readList(place, spec);
  if (spec.kind === 'yes-no') return readYesNo(place);
  if (spec.kind === 'number' || spec.kind === 'size') return readComparison(place, spec.kind);
  if (typeof value === 'string' && isExpression(value)) return readExpression(place, spec);
  if (typeof value === 'string' && MANY_WORDS.includes(spec.kind)) {
    return place.wrong(
      `${found(value)} is no test`,
      `write /${sampleExpression(value)}/i to find it anywhere, {words: [${value.slice(0, 40)}]} for whole words`,
    );
  }
  if (typeof value !== 'string' && typeof value !== 'number') {
    return place.wrong(`${found(value)} where a test was expected`, 'for example /an expression/i, exists, missing');
  }
  return value === 'own' && spec.kind === 'domain' ? { op: 'own' } : readValues([place], spec);
}

function readOperator(place: Place, spec: ValueSpec): Read | null {
  const entries = place.entries();
  const operators = entries.filter(([key]) => key !== 'at-least');
  const [first, second] = operators;
  if (first === undefined) return place.wrong('no test in this map', `one of: ${OPERATORS.join(', ')}`);
  if (second !== undefined)
    return second[1].wrong('a second test for one value', 'write `all:` and each test as an entry of it', 'key');
  const [name, operand] = first;
  const extra = entries.find(([key]) => key === 'at-least');
  if (extra !== undefined && name !== 'words') return extra[1].wrong('`at-least` belongs to `words` here', '', 'key');
  if (name === 'matches') return readExpression(operand, spec);
  if (name === 'words') return readWords(operand, place.at('at-least'), spec);
  if (name === 'equals') return readValues([operand], spec);
  if (name === 'in') return readList(operand, spec);
  if (name === 'under') return readUnder(operand, spec);
  if (name === 'same-as') return readSameAs(operand, spec);
  if (name === 'count') {
    const count = readComparison(operand, 'number');
    return count?.op === 'compare' ? { ...count, op: 'count' } : null;
  }
  return operand.wrong(`unknown test ${found(name)}`, suggest(name, OPERATORS), 'key');
}

function readExpression(place: Place, { kind }: ValueSpec): Test | null {
  const { value } = place;
  if (typeof value !== 'string' || !isExpression(value)) {
    return place.wrong(`${found(value)} where an expression was expected`, 'write it as /pattern/ or /pattern/i');
  }
  if (kind === 'number' || kind === 'size' || kind === 'yes-no' || kind === 'network') {
    return place.wrong('an expression cannot test this target', kindHint(kind));
  }
  const expression = parseExpression(value);
  if ('message' in expression) return place.wrong(expression.message, expression.hint);
  const fault = judgeExpression(expression, kind === 'text');
  return fault === null ? { op: 'regex', ...expression } : place.wrong(fault.message, fault.hint);
}

function readWords(place: Place, atLeast: Place, { kind }: ValueSpec): Test | null {
  if (!MANY_WORDS.includes(kind)) return place.wrong('`words` cannot test this target', kindHint(kind), 'key');
  const places = typeof place.value === 'string' ? [place] : place.items();
  if (places.length === 0)
    return place.wrong(`${found(place.value)} where words were expected`, 'write {words: [act now, last chance]}');
  if (places.length > LIST_MAX) return place.wrong(`${places.length} entries`, `at most ${LIST_MAX}`);
  const phrases: string[] = [];
  for (const item of places) {
    const phrase = typeof item.value === 'string' || typeof item.value === 'number' ? fold(String(item.value)) : ' ';
    if (phrase === ' ')
      return item.wrong(
        `${found(item.value)} has no word in it`,
        'words are letters and digits; use an expression for signs',
      );
    phrases.push(phrase);
  }
  const count = atLeast.value ?? 1;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > phrases.length) {
    return atLeast.wrong(
      `${found(count)} where a number from 1 to ${phrases.length} was expected`,
      '`at-least` says how many of the words must be there',
    );
  }
  return { op: 'words', phrases: [...new Set(phrases)], atLeast: count };
}

function readList(place: Place, spec: ValueSpec): Test | null {
  const items = place.items();
  if (items.length === 0)
    return place.wrong(`${found(place.value)} where a list was expected`, 'write {in: [one, another]}');
  if (items.length > LIST_MAX) return place.wrong(`${items.length} entries`, `at most ${LIST_MAX}`);
  return readValues(items, spec);
}

function readValues(places: readonly Place[], spec: ValueSpec): Test | null {
  if (spec.kind === 'number' || spec.kind === 'size' || spec.kind === 'yes-no' || spec.kind === 'text') {
    return places[0]?.wrong('this target has no values to compare with a list', kindHint(spec.kind)) ?? null;
  }
  const values: string[] = [];
  for (const place of places) {
    const { value } = place;
    if (typeof value !== 'string' && typeof value !== 'number') {
      return place.wrong(`${found(value)} where a value was expected`, kindHint(spec.kind));
    }
    const read = readValue(String(value), spec);
    if (typeof read !== 'string') return place.wrong(read.message, read.hint);
    values.push(read);
  }
  return spec.kind === 'network' ? { op: 'networks', networks: values } : { op: 'equals', values };
}

function readValue(text: string, { kind, choices }: ValueSpec): string | { message: string; hint: string } {
  const lower = text.toLowerCase();
  if (choices !== null && !choices.includes(lower)) {
    return { message: `${found(text)} never stands here`, hint: suggest(text, choices) };
  }
  if (kind === 'network' && parseNetwork(text) === null) {
    const hint = networkHint(text) || 'for example 192.0.2.0/24 or 2001:db8::/32';
    return { message: `${found(text)} is no address or network`, hint };
  }
  if (kind === 'address') {
    const address: Address | null = parseAddress(text);
    if (address === null)
      return { message: `${found(text)} is no mail address`, hint: 'for a whole domain use the field `domain`' };
    return address.text.toLowerCase();
  }
  if (kind !== 'domain') return lower;
  const domain = parseDomain(text);
  return (
    domain ?? {
      message: `${found(text)} is no domain`,
      hint: 'for example example.com; for a part of a name use an expression',
    }
  );
}

function readUnder(place: Place, spec: ValueSpec): Test | null {
  if (spec.kind !== 'domain') return place.wrong('`under` is for domains', kindHint(spec.kind), 'key');
  const test = readValues(typeof place.value === 'string' ? [place] : place.items(), spec);
  if (test === null || test.op === 'equals') return test === null ? null : { op: 'under', domains: test.values };
  return null;
}

/** `same-as: from.domain`. */
function readSameAs(place: Place, spec: ValueSpec): Test | null {
  if (spec.kind !== 'domain' && spec.kind !== 'address')
    return place.wrong('`same-as` is for domains and addresses', '', 'key');
  const [thing = '', field = '', ...rest] = String(place.value).split('.');
  const other = thingSpec(thing);
  const otherField = other === null || other.isLate || rest.length > 0 ? null : fieldSpec(other, field);
  if (otherField?.kind !== spec.kind) {
    return place.wrong(
      `${found(place.value)} is no ${spec.kind} of the message`,
      `for example ${spec.kind === 'domain' ? 'from.domain' : 'from.address'}`,
    );
  }
  return { op: 'same-as', thing, field };
}

function readYesNo(place: Place): Test | null {
  if (place.value === true || place.value === 'yes') return { op: 'yes-no', value: true };
  if (place.value === false || place.value === 'no') return { op: 'yes-no', value: false };
  return place.wrong(`${found(place.value)} where yes or no was expected`);
}

function readComparison(place: Place, kind: 'number' | 'size'): Test | null {
  const { value } = place;
  const text = typeof value === 'number' ? `= ${value}` : typeof value === 'string' ? value.trim() : '';
  const parts = COMPARISON.exec(text);
  const [, sign = '', digits = '', unit = ''] = parts ?? [];
  if (parts === null || (unit !== '' && kind === 'number') || !isSign(sign)) {
    return place.wrong(`${found(value)} where a comparison was expected`, kindHint(kind));
  }
  return { op: 'compare', sign, number: Number(digits) * (UNITS[unit.slice(0, 1).toLowerCase()] ?? 1) };
}

function isSign(text: string): text is Sign {
  return ['<', '<=', '>', '>=', '='].includes(text);
}

function kindHint(kind: ValueKind): string {
  if (kind === 'number') return "compare a number, in quotes: '> 10', '<= 3', or 0";
  if (kind === 'size') return "compare a size, in quotes: '> 100 KB', '<= 2 MB'";
  if (kind === 'yes-no') return 'it is yes or no';
  if (kind === 'network') return 'name addresses and networks: {in: [192.0.2.0/24]}';
  if (kind === 'text') return 'a whole text is tested by an expression or by {words: [...]}';
  if (kind === 'line') return 'for example /an expression/i, {words: [...]}, exists, missing';
  return 'for example a value, {in: [one, another]}, /an expression/i, exists, missing';
}

export function suggest(word: string, candidates: Iterable<string>): string {
  const all = [...candidates];
  const near = nearest(word, all);
  if (near !== null) return `did you mean "${near}"?`;
  return all.length <= 30 ? `one of: ${all.join(', ')}` : '';
}

function sampleExpression(text: string): string {
  return text.slice(0, 40).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** All dotted names, for "did you mean". */
export function dottedNames(): string[] {
  return Object.entries(THINGS).flatMap(([thing, spec]) => Object.keys(spec.fields).map(field => `${thing}.${field}`));
}
