// postern reload: the running gateway reads settings and rules again, as a whole or not at all.

import { Command } from 'commander';
import type { Reloaded } from '../assembly/reloaded.ts';
import { folderLine, unreadRules } from '../assembly/rule-folders.ts';
import { BadFile, type Problem } from '../platform/problem.ts';
import { safeLine } from '../platform/terminal-text.ts';
import { yellow } from './colour.ts';
import { type Page, withPage } from './manual.ts';
import { ask, Refused, settingsPlace, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { print, printJson } from './terminal.ts';

const PAGE: Page = {
  describes: `
Takes new settings and rules as one version, for mail that comes from then on; messages under way end by the old one. On
any problem nothing changes, and the problem is printed as "postern doctor" or "postern rules lint" would. Settings that
need a restart are named, and so are rules and domains that came or went, the folders that rules were read from, and next
hops that are new and do not answer. SIGHUP to the gateway does the same, with its words in the log.`,
  examples: [{ run: 'postern reload', does: 'after a change of postern.yaml or of a rule' }],
};

export function reloadCommand(): Command {
  const command = new Command('reload')
    .description('make the running gateway read settings and rules again; on any problem the old ones stay')
    .action(reload);
  return withPage(withJson(withConfig(command)), PAGE);
}

async function reload(options: WithConfig & WithJson): Promise<void> {
  // Read here too, so that what is wrong is said before the gateway is asked.
  const { loadSettings } = await import('../config/load.ts');
  const { settings } = loadSettings({ ...settingsPlace(options), mustTakeMail: true });
  const reloaded = completed((await ask(settings, 'POST', '/reload').catch(badFile)) as Partial<Reloaded>);
  if (options.json === true) return printJson(reloaded);
  print(pageOf(reloaded, unreadRules(settings)));
}

/** What a gateway of an older version, before its restart, does not say. */
export function completed(answer: Partial<Reloaded>): Reloaded {
  return {
    live: [],
    restart: [],
    rules: { digest: '', count: 0 },
    ruleFolders: [],
    ruleChanges: { added: [], removed: [], changed: [] },
    domains: { gone: [], added: [] },
    silentHops: [],
    ...answer,
  };
}

/** What has changed, and what is wrong with it; `unread` is a warning, or ''. */
export function pageOf(reloaded: Reloaded, unread: string): string {
  const { live, restart, rules, ruleFolders, ruleChanges, domains, silentHops } = reloaded;
  const { added, removed, changed } = ruleChanges;
  const others = [
    ...(added.length === 0 ? [] : [`+${added.length} ${some(added)}`]),
    ...(removed.length === 0 ? [] : [`-${removed.length} ${some(removed)}`]),
    ...(changed.length === 0 ? [] : [`changed: ${some(changed)}`]),
  ];
  const mail = [
    ...(domains.gone.length === 0 ? [] : [`no longer ours: ${some(domains.gone)}`]),
    ...(domains.added.length === 0 ? [] : [`new: ${some(domains.added)}`]),
  ];
  return [
    `Rules: ${rules.count}, set ${rules.digest}${others.length === 0 ? '' : ` (${others.join('; ')})`}.`,
    ...ruleFolders.map(folder => `  ${folderLine(folder)}`),
    live.length === 0 ? 'No setting has changed.' : `Changed: ${some(live)}.`,
    ...(mail.length === 0 ? [] : [`Domains: ${mail.join('; ')}.`]),
    ...(restart.length === 0 ? [] : [`Waiting for a restart of the gateway: ${restart.join(', ')}.`]),
    ...[...silentHops.map(words => `a new next hop does not answer: ${words}`), ...(unread === '' ? [] : [unread])].map(
      words => `${yellow('warning:')} ${words}`,
    ),
  ].join('\n');
}

/** Of many names on one line; --json has all. */
const NAMED_MAX = 10;

function some(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  const first = safeLine(names.slice(0, NAMED_MAX).join(', '), 2000);
  return more > 0 ? `${first} and ${more} more` : first;
}

/** The gateway says problems as data; here they read as if the file had been checked here. */
function badFile(error: unknown): never {
  if (error instanceof Refused && typeof error.body === 'object' && error.body !== null && 'problems' in error.body) {
    throw new BadFile(error.body.problems as Problem[]);
  }
  throw error;
}
