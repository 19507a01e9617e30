// From folders of rule files to one checked set: read, joined (later folders win), checked, examples run. All problems
// of all files at once, or a set that can be used: nothing in between (I9).

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { BadFile, type Problem } from '../platform/problem.ts';
import { YAML_MAX_BYTES } from '../platform/yaml.ts';

import type { Example } from './example.ts';
import { type Entry, type GroupEntry, RULE_KEYS, type RuleFile, readRuleFile } from './file.ts';
import { FILES_MAX, type Group, RULES_MAX, type Rule, type RuleFileRead, type RuleSource } from './model.ts';
import { suggest } from './operator.ts';
import { circles } from './order.ts';
import { PROBLEMS_MAX } from './place.ts';
import { type ExampleResult, runExamples } from './try.ts';

export interface Linted {
  /** null where there are problems. */
  readonly source: RuleSource | null;
  /** At most PROBLEMS_MAX. */
  readonly problems: readonly Problem[];
  /** What is allowed, but better mended. */
  readonly warnings: readonly Problem[];
  readonly examples: readonly ExampleResult[];
  readonly files: readonly RuleFileRead[];
}

/** One text of a rule file; `folder` counts from 0, and a later folder wins. */
export interface RuleText {
  readonly folder: number;
  readonly file: string;
  readonly text: string;
}

/**
 * Reads all `*.yaml` of the folders, in the order of their names, later folders over earlier ones. Throws BadFile with
 * every problem: then nothing has changed. Synchronous, and takes some 5 ms a rule with an expression.
 */
export function loadRules(folders: readonly string[]): RuleSource {
  const { source, problems } = lintRules(folders);
  if (source === null) throw new BadFile(problems);
  return source;
}

/** The same without throwing, with warnings and what each example did: for `rules lint` and `rules test`. */
export function lintRules(folders: readonly string[]): Linted {
  const problems: Problem[] = [];
  const texts = folders.flatMap((folder, index) => readFolder(folder, index, problems));
  if (texts.length === 0 && problems.length === 0) {
    problems.push(plain(folders[0] ?? 'rules', 'no rule file in any of the folders', 'rule files end in .yaml'));
  }
  return lintTexts(texts, problems);
}

/** The same for texts that are in memory. */
export function lintTexts(texts: readonly RuleText[], problems: Problem[] = []): Linted {
  const files = texts.map(({ folder, file, text }) => ({ folder, file, ...readRuleFile(file, text, problems) }));
  const read = files.map(({ file, entries }) => ({ file, rules: entries.length }));
  const joined = new Joined();
  for (const file of files) joined.add(file, file.folder);
  const { entries, groups, examples } = joined;
  problems.push(...joined.problems);
  const rules = [...entries.values()].map(one => one.rule);
  if (rules.length > RULES_MAX)
    problems.push(plain(texts[0]?.file ?? '', `${rules.length} rules`, `at most ${RULES_MAX}`));
  const warnings = checkTogether(
    { standing: [...entries.values()], groups, isWhole: files.every(file => file.isWhole) },
    problems,
  );
  const source: RuleSource = { rules, groups: [...groups.values()], digest: digestOf(rules, groups), files: read };
  if (problems.length > 0) return { source: null, problems: firstOf(problems), warnings, examples: [], files: read };
  const results = runExamples(source, examples);
  const failed = results
    .filter(result => result.problem !== null)
    .map(result => result.problem)
    .filter(problem => problem !== null);
  return {
    source: failed.length > 0 ? null : source,
    problems: firstOf(failed),
    warnings,
    examples: results,
    files: read,
  };
}

/** As they stand in the files, and not more than anybody reads. */
function firstOf(problems: readonly Problem[]): Problem[] {
  const files = new Map([...new Set(problems.map(problem => problem.file))].map((file, index) => [file, index]));
  const rank = (problem: Problem) => files.get(problem.file) ?? 0;
  const sorted = [...problems].sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  const first = sorted.slice(0, PROBLEMS_MAX);
  const last = first.at(-1);
  if (problems.length > PROBLEMS_MAX && last !== undefined) {
    first.push({ ...last, message: `and ${problems.length - PROBLEMS_MAX} more problems`, hint: '', source: '' });
  }
  return first;
}

function readFolder(folder: string, index: number, problems: Problem[]): RuleText[] {
  try {
    const names = readdirSync(folder)
      .filter(name => /^[^.].*\.ya?ml$/.test(name))
      .sort();
    if (names.length > FILES_MAX) throw new Error(`${names.length} rule files, at most ${FILES_MAX}`);
    return names.map(name => join(folder, name)).map(file => ({ folder: index, file, text: readText(file) }));
  } catch (error) {
    problems.push(
      plain(
        folder,
        `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        'a folder of rule files was expected',
      ),
    );
    return [];
  }
}

function readText(file: string): string {
  if (statSync(file).size > YAML_MAX_BYTES) throw new Error(`${file} is larger than ${YAML_MAX_BYTES} bytes`);
  return readFileSync(file, 'utf8');
}

function plain(file: string, message: string, hint: string): Problem {
  return { file, line: 1, column: 1, message, hint, source: '' };
}

interface Standing {
  readonly rule: Rule;
  /** Where the condition stands. */
  readonly entry: Entry;
  /** Where the group is named, and which entry came last: a site's own, where it changes a shipped rule. */
  readonly grouped: Entry;
  readonly latest: Entry;
  readonly folder: number;
}

/** Rules by symbol, as they stand after each folder. */
class Joined {
  readonly entries = new Map<string, Standing>();
  readonly groups = new Map<string, GroupEntry>();
  readonly problems: Problem[] = [];
  readonly #examples = new Map<string, readonly Example[]>();
  readonly #groupFolders = new Map<string, number>();

  get examples(): Example[] {
    return [...this.#examples.values()].flat();
  }

  add(file: RuleFile, folder: number): void {
    for (const group of file.groups) {
      if (this.#groupFolders.get(group.name) === folder) {
        this.problems.push(group.place.problem(`the group ${group.name} stands twice`, 'leave one of them', 'key'));
      }
      this.#groupFolders.set(group.name, folder);
      this.groups.set(group.name, group);
    }
    for (const entry of file.entries) this.#addEntry(entry, folder);
  }

  #addEntry(entry: Entry, folder: number): void {
    const { symbol, place, hasWhen } = entry;
    const before = this.entries.get(symbol);
    if (before?.folder === folder) {
      const { file, line } = before.latest;
      this.problems.push(
        place.problem(
          `the symbol ${symbol} stands twice, first in ${file}:${line}`,
          'rename one of them, or join the two',
          'key',
        ),
      );
      return;
    }
    if (!hasWhen && before === undefined && entry.about === undefined) {
      const near = suggest(symbol, this.entries.keys());
      this.problems.push(
        place.problem(
          `nothing is known of ${symbol}, and it has no \`when\``,
          near || 'for a symbol of a scanner of your own say what it means with `about`',
          'key',
        ),
      );
      return;
    }
    const kept = hasWhen ? undefined : before;
    const base = kept?.rule;
    this.#needPoints(entry, base);
    const rule = ruleOf(entry, base);
    this.entries.set(symbol, {
      rule,
      entry: kept?.entry ?? entry,
      grouped: entry.group === undefined ? (kept?.grouped ?? entry) : entry,
      latest: entry,
      folder,
    });
    if (hasWhen) this.#examples.set(symbol, rule.isEnabled ? entry.examples : []);
    else if (!rule.isEnabled) this.#examples.delete(symbol);
  }

  /** Says nothing where a key is unknown: it may be the points, misspelt. */
  #needPoints(entry: Entry, base: Rule | undefined): void {
    const keys = entry.place.entries().map(([key]) => key);
    const isGiven = keys.includes('points') || keys.includes('effect') || entry.isEnabled === false;
    if (base !== undefined || isGiven || keys.some(key => !RULE_KEYS.includes(key))) return;
    const hint = 'add `points:`; 0 is for a rule that only other rules use';
    this.problems.push(entry.place.problem(`${entry.symbol} has no points`, hint, 'key'));
  }
}

/** What an entry without `when` does not name stays as it was. */
function ruleOf(entry: Entry, base: Rule | undefined): Rule {
  const effect = entry.effect === 'none' ? null : (entry.effect ?? base?.effect ?? null);
  return {
    symbol: entry.symbol,
    about: entry.about ?? base?.about ?? '',
    points: entry.points ?? base?.points ?? 0,
    strength: entry.strength ?? base?.strength ?? 1,
    effect,
    group: entry.group ?? base?.group ?? null,
    when: entry.when ?? base?.when ?? null,
    isEnabled: entry.isEnabled ?? base?.isEnabled ?? true,
    file: base?.file ?? entry.file,
    line: base?.line ?? entry.line,
  };
}

interface Together {
  readonly standing: readonly Standing[];
  readonly groups: ReadonlyMap<string, Group>;
  /** False where a file could not be read at all: what is unknown may be in it. */
  readonly isWhole: boolean;
}

/** What only shows when all files are known: names, circles, groups. Returns the warnings. */
function checkTogether({ standing, groups, isWhole }: Together, problems: Problem[]): Problem[] {
  const known = new Map(standing.map(one => [one.rule.symbol, one]));
  const warnings: Problem[] = [];
  for (const { rule, entry, grouped } of standing) {
    const { place } = entry;
    const warn = (message: string, hint: string) => warnings.push(place.problem(message, hint, 'key'));
    if (rule.group !== null && !groups.has(rule.group)) {
      const hint =
        suggest(rule.group, groups.keys()) || 'groups stand below `groups:`, for example {SCAM_WORDS: {cap: 5}}';
      problems.push(grouped.place.at('group').problem(`unknown group ${rule.group}`, hint));
    }
    if (rule.when === null) continue;
    for (const { symbol, place: where } of entry.named) {
      const other = known.get(symbol);
      const near = suggest(symbol, known.keys()) || 'it is no rule, and no scanner symbol of scores.yaml';
      if (other === undefined && isWhole) problems.push(where.problem(`unknown symbol ${symbol}`, near));
      else if (other?.rule.isEnabled === false && rule.isEnabled) {
        warn(`${rule.symbol} needs ${symbol}, which is switched off`, 'it counts as never found');
      }
    }
    if (rule.about === '')
      warn(`${rule.symbol} has no \`about\``, 'say what it finds, for the people who read reports');
    const hits = entry.examples.filter(example => example.expects === 'hit').length;
    if (rule.isEnabled && (hits === 0 || hits === entry.examples.length)) {
      warn(
        `${rule.symbol} has no example that it must ${hits === 0 ? 'hit' : 'miss'}`,
        'add `examples: {hit: [...], miss: [...]}`',
      );
    }
  }
  for (const circle of circles(standing.map(one => one.rule))) {
    const first = known.get(circle[0] ?? '');
    if (first !== undefined)
      problems.push(
        first.entry.place
          .at('when')
          .problem(`rules wait for each other: ${circle.join(' needs ')}`, 'take one of them out of the circle'),
      );
  }
  return warnings;
}

/** Places are left out: a comment or an empty line does not make another set. */
function digestOf(rules: readonly Rule[], groups: ReadonlyMap<string, Group>): string {
  const plainRules = rules.map(({ file: _file, line: _line, ...rest }) => rest);
  const plainGroups = [...groups.values()].map(({ name, cap, floor }) => ({ name, cap, floor }));
  return createHash('sha256')
    .update(JSON.stringify([plainRules, plainGroups]))
    .digest('hex')
    .slice(0, 12);
}
