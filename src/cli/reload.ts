// postern reload: the running gateway reads settings and rules again, as a whole or not at all.

import { Command } from 'commander';
import type { Reloaded } from '../assembly/control.ts';
import { BadFile, type Problem } from '../platform/problem.ts';
import { type Page, withPage } from './manual.ts';
import { ask, Refused, settingsOf, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { print, printJson } from './terminal.ts';

const PAGE: Page = {
  describes: `
Takes new settings and rules as one version, for mail that comes from then on; messages under way end by the old one. On
any problem nothing changes, and the problem is printed as "postern doctor" or "postern rules lint" would. Settings that
need a restart are named. SIGHUP to the gateway does the same, with its words in the log.`,
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
  const { settings } = await settingsOf(options);
  const reloaded = (await ask(settings, 'POST', '/reload').catch(badFile)) as Reloaded;
  if (options.json === true) return printJson(reloaded);
  const { live, restart, rules } = reloaded;
  print(`Rules: ${rules.count}, set ${rules.digest}.`);
  print(live.length === 0 ? 'No setting has changed.' : `Changed: ${live.join(', ')}.`);
  if (restart.length > 0) print(`Waiting for a restart of the gateway: ${restart.join(', ')}.`);
}

/** The gateway says problems as data; here they read as if the file had been checked here. */
function badFile(error: unknown): never {
  if (error instanceof Refused && typeof error.body === 'object' && error.body !== null && 'problems' in error.body) {
    throw new BadFile(error.body.problems as Problem[]);
  }
  throw error;
}
