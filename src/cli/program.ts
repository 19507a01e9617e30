// The command line: reads the command and hands over to its file. Called by main.ts. Commands load what they need when
// they run, so that --help and mistakes are answered at once.

import { Command } from 'commander';
import { safeLine } from '../platform/terminal-text.ts';
import { VERSION } from '../version.ts';
import { checkCommand } from './check.ts';
import { completionCommand } from './completion.ts';
import { doctorCommand } from './doctor.ts';
import { exitCodeOf } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { withColourChoice } from './options.ts';
import { quarantineCommand } from './quarantine.ts';
import { reloadCommand } from './reload.ts';
import { rulesCommand } from './rules.ts';
import { serveCommand } from './serve.ts';
import { endWhenNobodyReads } from './terminal.ts';
import { topCommand } from './top.ts';
import { traceCommand } from './trace.ts';

const PAGE: Page = {
  describes: `
Postern stands in front of your mail server: it takes mail by SMTP, finds out what each message is, and passes it on,
tags it, holds it in quarantine or refuses it. docs/flow.md tells how.

Commands that change something ask the running gateway over its control socket, so they must run as its user. Commands
that only read also work while it is stopped. Options stand after the command.`,
  examples: [
    { run: 'postern doctor', does: 'is everything as it should be, and if not, what to do' },
    { run: 'postern top', does: 'what is going on now' },
    { run: 'postern trace user@example.org', does: 'what became of the mail of this address' },
    { run: 'postern quarantine list', does: 'what is held' },
    { run: 'postern check message.eml', does: 'judge a file, without any gateway' },
  ],
  files: {
    'DATA/control.sock': 'how commands ask the running gateway; DATA is the setting data, ./data by default',
    'DATA/postern.db': 'the records',
    'docs/config.md': 'every setting',
    'docs/commands.md': 'these pages',
  },
};

/** Runs one command line; the exit code is set, nothing is thrown. */
export async function run(argv: readonly string[]): Promise<void> {
  endWhenNobodyReads();
  try {
    const top = program();
    await top.parseAsync(helpByOption(top, argv.slice(2)), { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

export function program(): Command {
  const top = new Command('postern')
    .description('a spam and virus filter in front of your mail server')
    .version(VERSION, '-V, --version', 'print the version');
  const commands = [
    serveCommand(),
    reloadCommand(),
    checkCommand(),
    rulesCommand(),
    quarantineCommand(),
    traceCommand(),
    topCommand(),
    doctorCommand(),
    completionCommand(),
  ];
  for (const command of commands) top.addCommand(command);
  return prepared(withPage(top, PAGE), 'postern');
}

/**
 * `help quarantine list` as `quarantine list --help`. A word that is no command stays, without the question for help: it
 * is complained about as anywhere else. (The help of the library prints the main page for it.)
 */
function helpByOption(top: Command, args: readonly string[]): readonly string[] {
  const path: string[] = [];
  let at = top;
  let asksForHelp = false;
  for (const word of args) {
    if (word === 'help' && !asksForHelp && at.commands.length > 0) {
      asksForHelp = true;
      continue;
    }
    const below = at.commands.find(command => command.name() === word);
    if (below === undefined) {
      const isUnknown = asksForHelp && at.commands.length > 0 && !word.startsWith('-');
      if (isUnknown) return [...path, word];
      break;
    }
    path.push(word);
    at = below;
  }
  return asksForHelp ? [...path, ...args.filter(word => word.startsWith('-')), '--help'] : args;
}

/** Errors are thrown to us instead of ending the process, and read as all others do; also by subcommands. */
function prepared(command: Command, name: string): Command {
  for (const below of command.commands) prepared(below, `${name} ${below.name()}`);
  return withColourChoice(command)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(`(${name} --help says more)`)
    .configureOutput({ outputError: (text, write) => write(inOurWords(text, name)) });
}

/** What is wrong, which repeats arguments; then perhaps a suggestion, in a line of its own and of our names alone. */
const SAID = /^(?:error: )?(.*?)((?:\n\(Did you mean [^\n]*\?\))?\n?)$/s;
const SAID_MAX = 500;

/** What others call it: no spelling leads from there to our names. A Map, for an argument may be any word. */
const MEANT = new Map([
  ...['health', 'status', 'diagnose', 'test'].map(name => [name, 'doctor'] as const),
  ...['start', 'run', 'daemon'].map(name => [name, 'serve'] as const),
  ...['restart', 'refresh'].map(name => [name, 'reload'] as const),
  ...['log', 'logs', 'search', 'find', 'show', 'history'].map(name => [name, 'trace'] as const),
  ...['held', 'queue', 'list', 'release', 'delete'].map(name => [name, 'quarantine'] as const),
  ...['lint', 'rule'].map(name => [name, 'rules'] as const),
  ...['scan', 'judge', 'score'].map(name => [name, 'check'] as const),
  ...['monitor', 'stats', 'watch'].map(name => [name, 'top'] as const),
]);

function inOurWords(text: string, of: string): string {
  const [, wrong = '', likeIt = ''] = SAID.exec(text) ?? [];
  const unknown = /unknown command '([a-z]{1,20})'/.exec(wrong)?.[1] ?? '';
  const meant = of === 'postern' ? MEANT.get(unknown) : undefined;
  const suggested = meant === undefined ? likeIt : `\n(Did you mean ${meant}?)\n`;
  const said = `postern: ${safeLine(wrong, SAID_MAX)}${suggested}`;
  // Only of the words before a command, for every command knows --config.
  const isEarly = /unknown option '(-c|--config)/.test(said);
  return isEarly ? `${said}(options stand after the command: postern doctor --config FILE)\n` : said;
}
