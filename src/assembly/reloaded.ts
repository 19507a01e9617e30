// What a reload has done, for the one who asked for it: which domains are ours no longer, which rules are others, which
// next hop is new and does not answer. Called by main.ts when the new version holds; changes nothing.

import { basename } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { NextHop } from '../mail/ports.ts';
import { errorText } from '../platform/log.ts';
import type { Rule, RuleSource } from '../rules/model.ts';
import { foldersRead, type RuleFolderRead } from './rule-folders.ts';

export interface Reloaded {
  /** What holds from now on. */
  readonly live: readonly string[];
  /** What waits for a restart. */
  readonly restart: readonly string[];
  readonly rules: { readonly digest: string; readonly count: number };
  readonly ruleFolders: readonly RuleFolderRead[];
  readonly ruleChanges: RuleChanges;
  readonly domains: { readonly gone: readonly string[]; readonly added: readonly string[] };
  /** Next hops that came with this reload and do not answer, in words with what to do. */
  readonly silentHops: readonly string[];
}

export interface RuleChanges {
  /** `ACME_LOTTERY (mine.yaml)`. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

interface Version {
  readonly settings: Settings;
  readonly rules: RuleSource;
}

export function domainChanges(before: Settings, after: Settings): Reloaded['domains'] {
  const [old, now] = [before.domains, after.domains];
  return {
    gone: [...old.keys()].filter(domain => !now.has(domain)),
    added: [...now.keys()].filter(domain => !old.has(domain)),
  };
}

/** Of two sets; where a rule stands is no change. */
export function ruleChanges(before: RuleSource, after: RuleSource): RuleChanges {
  if (before.digest === after.digest) return { added: [], removed: [], changed: [] };
  const old = new Map(before.rules.map(rule => [rule.symbol, rule]));
  const now = new Map(after.rules.map(rule => [rule.symbol, rule]));
  const isOther = (rule: Rule) => {
    const was = old.get(rule.symbol);
    return was !== undefined && contentOf(was) !== contentOf(rule);
  };
  return {
    added: after.rules.filter(({ symbol }) => !old.has(symbol)).map(named),
    removed: before.rules.filter(({ symbol }) => !now.has(symbol)).map(named),
    changed: after.rules.filter(isOther).map(named),
  };
}

function contentOf({ file: _file, line: _line, ...content }: Rule): string {
  return JSON.stringify(content);
}

function named({ symbol, file }: Rule): string {
  return `${symbol} (${basename(file)})`;
}

/** Next hops that were not there before; each is asked as for /health, within some seconds. */
export async function silentHops(
  before: ReadonlyMap<string, NextHop> | undefined,
  after: ReadonlyMap<string, NextHop>,
): Promise<string[]> {
  const fresh = [...after].filter(([settings]) => before?.has(settings) !== true).map(([, hop]) => hop);
  const answers = await Promise.all(fresh.map(troubleOf));
  return answers.filter(trouble => trouble !== '');
}

async function troubleOf(hop: NextHop): Promise<string> {
  try {
    const { level, says, next } = await hop.health();
    return level === 'ok' ? '' : `${says}: ${next}`;
  } catch (error) {
    return `${hop.name}: ${errorText(error)}`;
  }
}

/** Without the hops: they are asked when all is exchanged. */
export function reloadedOf(
  { live, restart }: Pick<Reloaded, 'live' | 'restart'>,
  before: Version,
  after: Version,
): Omit<Reloaded, 'silentHops'> {
  return {
    live,
    restart,
    rules: { digest: after.rules.digest, count: after.rules.rules.length },
    ruleFolders: foldersRead(after.settings, after.rules.files),
    ruleChanges: ruleChanges(before.rules, after.rules),
    domains: domainChanges(before.settings, after.settings),
  };
}

/** Of many names in one line of the log. */
const LOGGED_MAX = 20;

/** What the log says of it; SIGHUP has no other words. */
export function reloadLine({
  domains,
  ruleChanges,
}: Pick<Reloaded, 'domains' | 'ruleChanges'>): Record<string, unknown> {
  const lists = { domainsGone: domains.gone, domainsAdded: domains.added, ...prefixed(ruleChanges) };
  return Object.fromEntries(
    Object.entries(lists)
      .filter(([, names]) => names.length > 0)
      .map(([key, names]) => [key, names.slice(0, LOGGED_MAX)]),
  );
}

function prefixed({ added, removed, changed }: RuleChanges): Record<string, readonly string[]> {
  return { rulesAdded: added, rulesRemoved: removed, rulesChanged: changed };
}
