// Reads the `when` of a rule: all, any, not, at-least, symbols, targets with their tests. Notes what is wrong with its
// place, and goes on, so that one look at a file finds all of its problems.

import type { Condition } from './model.ts';
import { dottedNames, type Read, readTest, suggest } from './operator.ts';
import { found, isMap, type Place } from './place.ts';
import {
  fieldSpec,
  HEADER_NAME,
  parseHeaderTarget,
  SYNONYMS,
  THINGS,
  type ThingSpec,
  thingSpec,
  VALUES,
  valueSpec,
} from './targets.ts';

export const SYMBOL = /^[A-Z][A-Z0-9_]{1,63}$/;
/** Deeper formulas cannot be read; the stack of the thread is safe from them too. */
const DEPTH_MAX = 20;
const COMBINATORS = ['all', 'any', 'not', 'at-least', 'found'];

/** Where we are: on the top, or inside of a thing, whose fields are the targets there. */
interface Scope {
  readonly thing: ThingSpec | null;
  readonly depth: number;
  /** Gathers where symbols are named: whether they exist shows when all files are read. */
  readonly named: Named[];
}

export interface Named {
  readonly symbol: string;
  readonly place: Place;
}

/** null where it is wrong; the problem is noted. Adds the symbols it names to `named`. */
export function readWhen(place: Place, named: Named[]): Condition | null {
  return readCondition(place, { thing: null, depth: 0, named });
}

function readCondition(place: Place, scope: Scope): Condition | null {
  const { value } = place;
  if (scope.depth > DEPTH_MAX)
    return place.wrong(
      `conditions stand more than ${DEPTH_MAX} deep in each other`,
      'make a rule of the inner ones and name its symbol',
    );
  if (typeof value === 'string') return readSymbol(place, value, scope);
  if (Array.isArray(value))
    return place.wrong(
      'a list of conditions, but it is not said how many must hold',
      'put `all:`, `any:` or `at-least: 2` and `of:` before it',
    );
  if (!isMap(value))
    return place.wrong(
      `${found(value)} where a condition was expected`,
      'for example {subject: /lottery/i}, or the symbol of another rule',
    );
  const entries = place.entries().filter(([key]) => key !== 'of' || !Object.hasOwn(value, 'at-least'));
  const conditions = entries.map(([key, entry]) => readEntry(key, entry, place, scope));
  if (conditions.length === 0) return place.wrong('an empty condition', 'for example {subject: /lottery/i}');
  return joined(conditions);
}

/** Several entries of one map must all hold. */
function joined(conditions: readonly (Condition | null)[]): Condition | null {
  const good = conditions.filter(condition => condition !== null);
  if (good.length < conditions.length) return null;
  return good.length === 1 ? (good[0] ?? null) : { kind: 'all', of: good };
}

function readSymbol(place: Place, value: string, scope: Scope): Condition | null {
  if (SYMBOL.test(value) && scope.thing === null) {
    scope.named.push({ symbol: value, place });
    return { kind: 'found', symbol: value };
  }
  if (scope.thing !== null)
    return place.wrong(
      `${found(value)} is no field with a test`,
      `one of: ${Object.keys(scope.thing.fields).join(', ')}`,
    );
  if (value.startsWith('/'))
    return place.wrong(
      'an expression, but it is not said where to look',
      `put a target before it: {subject: ${value.slice(0, 40)}}`,
    );
  return place.wrong(
    `${found(value)} is no condition`,
    'write a target and its test, or the SYMBOL of a rule or finding',
  );
}

function readEntry(key: string, entry: Place, parent: Place, scope: Scope): Condition | null {
  const inner = { ...scope, depth: scope.depth + 1 };
  if (key === 'all' || key === 'any') return readList(key, entry, inner);
  if (key === 'not') return negated(readCondition(entry, inner));
  if (key === 'at-least') return readAtLeast(entry, parent.at('of'), inner);
  if (scope.thing !== null) return readField(key, entry, scope.thing);
  if (key === 'found') return readFound(entry, scope);
  const thing = thingSpec(key);
  if (thing !== null) return readThing(key, thing, entry, inner);
  const spec = valueSpec(key);
  if (spec !== null) return asValues(key, readTest(entry, spec));
  return readDotted(key, entry);
}

/** A symbol among targets: `found: SPF_FAIL`. */
function readFound(place: Place, scope: Scope): Condition | null {
  if (typeof place.value === 'string' && SYMBOL.test(place.value)) return readSymbol(place, place.value, scope);
  const hint = 'for several write `all: [ONE, OTHER]` or `any: [ONE, OTHER]`';
  return place.wrong(`${found(place.value)} where one symbol was expected`, hint);
}

function readList(kind: 'all' | 'any', place: Place, scope: Scope): Condition | null {
  const items = place.items();
  if (items.length === 0)
    return place.wrong(
      `${found(place.value)} where a list of conditions was expected`,
      `each entry of \`${kind}:\` starts with a hyphen`,
    );
  const of = items.map(item => readCondition(item, scope)).filter(condition => condition !== null);
  return of.length < items.length ? null : { kind, of };
}

function readAtLeast(place: Place, list: Place, scope: Scope): Condition | null {
  const items = list.items();
  if (items.length === 0)
    return place.wrong('`at-least` without a list of conditions', 'write `of:` with the list beside it', 'key');
  const count = place.value;
  const of = items.map(item => readCondition(item, scope)).filter(condition => condition !== null);
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > items.length) {
    return place.wrong(
      `${found(count)} where a number from 1 to ${items.length} was expected`,
      'so many of the conditions in `of:` must hold',
    );
  }
  return of.length < items.length ? null : { kind: 'at-least', count, of };
}

function readThing(thing: string, spec: ThingSpec, place: Place, scope: Scope): Condition | null {
  const any: Condition = { kind: 'thing', thing, of: { kind: 'all', of: [] } };
  if (place.value === 'exists') return any;
  if (place.value === 'missing') return negated(any);
  if (typeof place.value === 'string' || Array.isArray(place.value)) {
    return place.wrong(
      `it is not said which field of \`${thing}\``,
      `one of: ${Object.keys(spec.fields)
        .map(field => `${thing}.${field}`)
        .join(', ')}`,
    );
  }
  const of = readCondition(place, { ...scope, thing: spec });
  return of === null ? null : { kind: 'thing', thing, of };
}

function readField(field: string, place: Place, thing: ThingSpec): Condition | null {
  const spec = fieldSpec(thing, field);
  if (spec === null)
    return place.wrong(
      `unknown field ${found(field)}`,
      suggest(field, [...Object.keys(thing.fields), ...COMBINATORS]),
      'key',
    );
  const test = readTest(place, spec);
  if (test?.op === 'count') return place.wrong('`count` counts over all: it cannot stand inside', '', 'value');
  if (test === null) return null;
  return test.op === 'missing'
    ? negated({ kind: 'field', field, test: { op: 'exists' } })
    : { kind: 'field', field, test };
}

/** `from.domain: own` is short for `from: {domain: own}`, but for `missing`: no such thing has it at all. */
function readDotted(key: string, place: Place): Condition | null {
  const dot = key.indexOf('.');
  const [thing, field] = [key.slice(0, dot), key.slice(dot + 1)];
  const spec = dot === -1 ? null : thingSpec(thing);
  if (spec === null) return place.wrong(`unknown target ${found(key)}`, targetHint(key), 'key');
  const value = fieldSpec(spec, field);
  if (value === null)
    return place.wrong(`\`${thing}\` has no field ${found(field)}`, suggest(field, Object.keys(spec.fields)), 'key');
  const test = readTest(place, value);
  if (test === null) return null;
  if (test.op === 'missing')
    return negated({ kind: 'thing', thing, of: { kind: 'field', field, test: { op: 'exists' } } });
  if (test.op === 'count')
    return place.wrong(
      '`count` is for values such as a header',
      `for things there is \`count:\`, for example {count.links: '> 10'}`,
      'value',
    );
  return { kind: 'thing', thing, of: { kind: 'field', field, test } };
}

function asValues(target: string, test: Read | null): Condition | null {
  if (test === null) return null;
  if (test.op === 'missing') return negated({ kind: 'value', target, test: { op: 'exists' } });
  if (test.op === 'count') return { kind: 'count', target, sign: test.sign, number: test.number };
  return { kind: 'value', target, test };
}

function negated(of: Condition | null): Condition | null {
  return of === null ? null : { kind: 'not', of };
}

function targetHint(key: string): string {
  if (SYMBOL.test(key)) return `write \`found: ${key}\`, or the symbol alone as an entry of a list`;
  if (/^headers? /i.test(key) && parseHeaderTarget(key) === null)
    return 'write `header NAME` or `header NAME raw`, for example `header X-Mailer`';
  const meant = SYNONYMS.get(key.toLowerCase());
  if (meant !== undefined) return `here it is called \`${meant}\` (docs/rules.md lists all targets)`;
  const near = suggest(key, [...COMBINATORS, ...Object.keys(VALUES), ...Object.keys(THINGS), ...dottedNames()]);
  if (near !== '') return near;
  return HEADER_NAME.test(key) && /^[A-Z]/.test(key)
    ? `for a header write \`header ${key}\``
    : 'docs/rules.md has the list of targets';
}
