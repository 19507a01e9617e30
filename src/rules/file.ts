// Reads one rule file: `rules:` by symbol and `groups:` by name. Notes every problem with its place and goes on.

import type { Effect } from '../mail/finding.ts';
import { BadFile, type Problem } from '../platform/problem.ts';
import { parseYaml } from '../platform/yaml.ts';

import { type Named, readWhen, SYMBOL } from './condition.ts';
import { type Example, readExamples } from './example.ts';
import { type Condition, type Group, POINTS_MAX } from './model.ts';
import { suggest } from './operator.ts';
import { found, isMap, Place } from './place.ts';

/** An entry as it stands in a file; what it does not name is undefined. */
export interface Entry {
  readonly symbol: string;
  readonly place: Place;
  readonly file: string;
  readonly line: number;
  readonly about: string | undefined;
  readonly points: number | undefined;
  readonly strength: number | undefined;
  readonly effect: Effect | 'none' | undefined;
  readonly group: string | undefined;
  readonly isEnabled: boolean | undefined;
  readonly when: Condition | undefined;
  /** The symbols its condition names, with their places. */
  readonly named: readonly Named[];
  /** True also where the condition has a problem, so that one mistake is not said twice. */
  readonly hasWhen: boolean;
  readonly examples: readonly Example[];
}

export interface GroupEntry extends Group {
  readonly place: Place;
}

export interface RuleFile {
  /** False where it is no YAML, or no map: then nothing is known of its symbols. */
  readonly isWhole: boolean;
  readonly entries: readonly Entry[];
  readonly groups: readonly GroupEntry[];
}

export const RULE_KEYS = ['about', 'points', 'strength', 'effect', 'group', 'enabled', 'when', 'examples'];
const FILE_KEYS = ['rules', 'groups'];
const GROUP_KEYS = ['cap', 'floor', 'about'];
const EFFECTS: readonly (Effect | 'none')[] = ['tag', 'quarantine', 'reject', 'discard', 'none'];
const ABOUT_MAX = 200;

export function readRuleFile(file: string, text: string, problems: Problem[]): RuleFile {
  const nothing: RuleFile = { isWhole: false, entries: [], groups: [] };
  const root = parsed(file, text, problems);
  if (root === null) return nothing;
  if (root.value === null) return { ...nothing, isWhole: true };
  if (!isMap(root.value)) {
    root.wrong(
      `${found(root.value)} where \`rules:\` was expected`,
      'a rule file starts with `rules:`, then each rule by its symbol',
    );
    return nothing;
  }
  for (const [key, place] of root.entries()) if (!FILE_KEYS.includes(key)) unknownFileKey(key, place);
  const rules = mapAt(root, 'rules', 'each rule is `SYMBOL:` and below it what it says');
  const groups = mapAt(root, 'groups', 'for example {SCAM_WORDS: {cap: 5}}');
  return {
    isWhole: true,
    entries: rules.map(([symbol, place]) => readEntry(symbol, place, file)).filter(entry => entry !== null),
    groups: groups.map(([name, place]) => readGroup(name, place)).filter(group => group !== null),
  };
}

function parsed(file: string, text: string, problems: Problem[]): Place | null {
  try {
    const yaml = parseYaml(file, text);
    return new Place(yaml, [], yaml.value, problems);
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    problems.push(...error.problems.map(withRuleHint));
    return null;
  }
}

/** Two traps of YAML that rule writers step into. */
function withRuleHint(problem: Problem): Problem {
  const { source } = problem;
  if (/:\s*[<>]=?\s*\d/.test(source)) return { ...problem, hint: "put a comparison in quotes: '> 10'" };
  if (/[{[,]\s*[^'"]*\/.*[{}[\],].*\//.test(source) || /:\s*\/.*(?:: | #).*\//.test(source)) {
    return { ...problem, hint: "an expression with brackets, commas or colons needs single quotes: '/a{2,3}/'" };
  }
  return problem;
}

function unknownFileKey(key: string, place: Place): void {
  const hint = SYMBOL.test(key) ? 'rules stand below `rules:`, two spaces to the right' : suggest(key, FILE_KEYS);
  place.wrong(`unknown key ${found(key)}`, hint, 'key');
}

function mapAt(root: Place, key: string, hint: string): [string, Place][] {
  const place = root.at(key);
  if (place.value === undefined || place.value === null || isMap(place.value)) return place.entries();
  place.wrong(`${found(place.value)} where a map was expected`, hint);
  return [];
}

function readEntry(symbol: string, place: Place, file: string): Entry | null {
  if (!SYMBOL.test(symbol)) return place.wrong(`${found(symbol)} is no symbol`, symbolHint(symbol), 'key');
  if (!isMap(place.value))
    return place.wrong(`${found(place.value)} where a rule was expected`, 'a rule has `about`, `points` and `when`');
  for (const [key, entry] of place.entries()) {
    if (!RULE_KEYS.includes(key)) entry.wrong(`unknown key ${found(key)} in a rule`, ruleKeyHint(key), 'key');
  }
  const hasWhen = Object.hasOwn(place.value, 'when');
  const named: Named[] = [];
  const when = hasWhen ? readWhen(place.at('when'), named) : null;
  const examples = hasWhen ? readExamples(place.at('examples'), symbol, when) : [];
  if (!hasWhen && Object.hasOwn(place.value, 'examples'))
    place.at('examples').wrong('examples without a `when`', 'examples show what `when` hits', 'key');
  return {
    symbol,
    place,
    file,
    line: place.problem('', '', 'key').line,
    about: optional(place, 'about', readAbout),
    points: optional(place, 'points', readPoints),
    strength: optional(place, 'strength', readStrength),
    effect: optional(place, 'effect', readEffect),
    group: optional(place, 'group', readName),
    isEnabled: optional(place, 'enabled', readYesNo),
    when: when ?? undefined,
    named,
    hasWhen,
    examples,
  };
}

function optional<T>(parent: Place, key: string, read: (place: Place) => T | null): T | undefined {
  return isMap(parent.value) && Object.hasOwn(parent.value, key) ? (read(parent.at(key)) ?? undefined) : undefined;
}

function readAbout(place: Place): string | null {
  const { value } = place;
  if (typeof value !== 'string' || value.trim() === '')
    return place.wrong(
      `${found(value)} where a short text was expected`,
      'say what the rule finds, for the people who read reports',
    );
  return value.length <= ABOUT_MAX
    ? value
    : place.wrong(`the text has ${value.length} characters`, `at most ${ABOUT_MAX}; reasons fit in a # comment`);
}

function readPoints(place: Place): number | null {
  const { value } = place;
  const isGood = typeof value === 'number' && Math.abs(value) <= POINTS_MAX;
  return isGood
    ? value
    : place.wrong(
        `${found(value)} where a number of points was expected`,
        `from -${POINTS_MAX} to ${POINTS_MAX}; 5 tags a message, 8 holds it, 15 refuses it`,
      );
}

function readStrength(place: Place): number | null {
  const { value } = place;
  return typeof value === 'number' && value >= 0 && value <= 1
    ? value
    : place.wrong(`${found(value)} where a number from 0 to 1 was expected`);
}

function readEffect(place: Place): Effect | 'none' | null {
  const effect = EFFECTS.find(candidate => candidate === place.value);
  return effect ?? place.wrong(`unknown effect ${found(place.value)}`, suggest(String(place.value), EFFECTS));
}

function readName(place: Place): string | null {
  const { value } = place;
  return typeof value === 'string' && SYMBOL.test(value)
    ? value
    : place.wrong(`${found(value)} is no name of a group`, symbolHint(String(value)));
}

function readYesNo(place: Place): boolean | null {
  const { value } = place;
  if (value === true || value === 'yes') return true;
  return value === false || value === 'no' ? false : place.wrong(`${found(value)} where yes or no was expected`);
}

function readGroup(name: string, place: Place): GroupEntry | null {
  if (!SYMBOL.test(name)) return place.wrong(`${found(name)} is no name of a group`, symbolHint(name), 'key');
  if (!isMap(place.value))
    return place.wrong(`${found(place.value)} where a group was expected`, 'for example {cap: 5}');
  for (const [key, entry] of place.entries()) {
    if (!GROUP_KEYS.includes(key)) entry.wrong(`unknown key ${found(key)} in a group`, suggest(key, GROUP_KEYS), 'key');
  }
  const cap = optional(place, 'cap', readPoints) ?? null;
  const floor = optional(place, 'floor', readPoints) ?? null;
  if (cap === null && floor === null)
    return place.wrong(
      'a group without a limit',
      '`cap: 5` is the most its rules add together, `floor: -3` the most they take away',
      'key',
    );
  if (cap !== null && cap < 0)
    return place.at('cap').wrong('a cap below 0', 'the most a group may take away is its `floor`');
  if (floor !== null && floor > 0)
    return place.at('floor').wrong('a floor above 0', 'the most a group may add is its `cap`');
  return { name, cap, floor, place };
}

function symbolHint(text: string): string {
  const better = text
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^[0-9_]+|_+$/g, '')
    .slice(0, 64);
  const example = SYMBOL.test(better) ? better : 'SUBJECT_SHOUTS';
  return `capital letters, digits and underscores, 2 to 64 of them: ${example}`;
}

function ruleKeyHint(key: string): string {
  if (key.includes(' ') && !key.startsWith('header '))
    return 'inside of { } a comma ends a value: put a text with commas in quotes';
  if (key === 'score') return 'did you mean "points"?';
  if (key === 'description' || key === 'describe') return 'did you mean "about"?';
  if (key === 'action' || key === 'actions') return 'did you mean "effect"?';
  if (/^(?:subject|text|raw|header|all|any|not|link|from)/.test(key)) return 'conditions stand below `when:`';
  return suggest(key, RULE_KEYS);
}
