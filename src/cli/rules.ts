// postern rules: reads rule files as a compiler would, and runs the examples beside the rules. Works on files alone; the
// running gateway takes them with `postern reload`.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import {
  countedIn,
  folderLine,
  foldersRead,
  type RuleFolderRead,
  ruleFolders,
  unreadRules,
} from '../assembly/rule-folders.ts';
import { BadFile, problemText } from '../platform/problem.ts';
import type { Linted } from '../rules/load.ts';
import { green, red, yellow } from './colour.ts';
import { given, UsageError } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { settingsOrBuiltIn, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { showWorking } from './progress.ts';
import { table } from './table.ts';
import { print, printJson } from './terminal.ts';

const WHERE = `
Without FOLDER the folders of the settings are read (scanners.rules.folders): the shipped rules, then rules/local beside the
settings file. Each FOLDER that is named is read after the shipped rules, in place of rules/local. docs/rules.md teaches
the language.`;

const PAGE: Page = {
  describes: `
Works on the files alone; the running gateway takes them with "postern reload".
${WHERE}`,
  examples: [
    { run: 'postern rules lint', does: 'are the rule files right' },
    { run: 'postern rules test rules/local', does: 'do the examples of your own rules hit and miss' },
  ],
};
const LINT_PAGE: Page = {
  describes: `
Reads rule files as a compiler would, and prints every problem with its line, a caret and a hint; warnings too, such as
an expression that is slow on hostile text. In the end it lists the folders, with how many rules each has: one that does not
exist, or has no rule, may not be the one you meant.
${WHERE}`,
  examples: [
    { run: 'postern rules lint', does: 'the rules of the settings' },
    { run: 'postern rules lint rules/local', does: 'a folder of your own, after the shipped rules' },
  ],
  exits: { 0: 'the rules can be used; there may be warnings', 2: 'they cannot' },
};
const TEST_PAGE: Page = {
  describes: `
Runs the examples that stand beside the rules: those under hit must hit, those under miss must miss.
${WHERE}`,
  examples: [
    { run: 'postern rules test', does: 'all rules of the settings' },
    { run: 'postern rules test rules/local', does: 'with a folder of your own' },
  ],
  exits: { 0: 'all examples are as they must be', 2: 'one is not, or a rule cannot be read' },
};

export function rulesCommand(): Command {
  const command = new Command('rules').description('read and try rule files');
  const lintCommand = new Command('lint')
    .description('say what is wrong with the rule files: file, line, column, and what to do')
    .argument('[folder...]')
    .action(lint);
  const testCommand = new Command('test')
    .description('run the examples beside the rules: what must hit, and what must miss')
    .argument('[folder...]')
    .action(test);
  command.addCommand(withPage(withJson(withConfig(lintCommand)), LINT_PAGE));
  command.addCommand(withPage(withJson(withConfig(testCommand)), TEST_PAGE));
  return withPage(command, PAGE);
}

async function lint(folders: readonly string[], options: WithConfig & WithJson): Promise<void> {
  const linted = await read(folders, options);
  const { folders: found, unread } = linted;
  if (options.json === true) {
    printJson({ problems: linted.problems, warnings: linted.warnings, folders: found, unread });
    if (linted.source === null) throw new BadFile([]);
    return;
  }
  for (const warning of linted.warnings) print(`${yellow('warning:')} ${problemText(warning)}`);
  if (linted.source !== null)
    print(`${green('fine:')} ${linted.source.rules.length} rules, set ${linted.source.digest}`);
  for (const folder of found) print(`  ${folderLine(folder)}`);
  if (unread !== '') print(`${yellow('warning:')} ${unread}`);
  if (linted.source === null) throw new BadFile(linted.problems);
}

async function test(folders: readonly string[], options: WithConfig & WithJson): Promise<void> {
  const linted = await read(folders, options);
  if (options.json === true) {
    for (const { symbol, expects, problem } of linted.examples) printJson({ symbol, expects, problem });
  } else if (linted.examples.length > 0 || linted.source !== null) print(summary(linted));
  // Otherwise nothing was tried: a rule that cannot be read is the whole answer.
  if (linted.source === null) throw new BadFile(options.json === true ? [] : linted.problems);
}

function summary({ examples }: Linted): string {
  const bySymbol = new Map<string, { hit: number; miss: number; failed: number }>();
  for (const { symbol, expects, problem } of examples) {
    const counts = bySymbol.get(symbol) ?? { hit: 0, miss: 0, failed: 0 };
    counts[expects]++;
    if (problem !== null) counts.failed++;
    bySymbol.set(symbol, counts);
  }
  const rows = [...bySymbol].map(([symbol, { hit, miss, failed }]) => {
    const verdict = failed === 0 ? 'ok' : `${failed} FAILED`;
    return [symbol, String(hit), String(miss), verdict];
  });
  const failed = examples.filter(example => example.problem !== null).length;
  const total =
    failed === 0
      ? green(`${examples.length} examples, all as they must be`)
      : red(`${failed} of ${examples.length} examples failed`);
  const columns = [
    { title: 'RULE' },
    { title: 'HIT', align: 'right' },
    { title: 'MISS', align: 'right' },
    { title: '' },
  ] as const;
  return rows.length === 0 ? total : `${table(columns, rows)}\n${total}`;
}

interface Read extends Linted {
  readonly folders: readonly RuleFolderRead[];
  /** A warning, '' for none. */
  readonly unread: string;
}

async function read(folders: readonly string[], options: WithConfig): Promise<Read> {
  const { lintRules } = await import('../rules/load.ts');
  const { settings } = await settingsOrBuiltIn(options);
  if (folders.length === 0) {
    const found = linted(() => lintRules(ruleFolders(settings)));
    return { ...found, folders: foldersRead(settings, found.files), unread: unreadRules(settings) };
  }
  const shipped = settings.scanners.rules.folders
    .filter(folder => folder.kind === 'shipped')
    .map(folder => folder.path);
  const named = folders.map(folderOf);
  const found = linted(() => lintRules([...shipped, ...named]));
  return { ...found, folders: countedIn([...shipped, ...named], found.files), unread: '' };
}

/** Some 5 ms a rule with its examples, all in one go. */
function linted(read: () => Linted): Linted {
  const progress = showWorking('reading the rules and trying their examples …');
  try {
    return read();
  } finally {
    progress.stop();
  }
}

function folderOf(path: string): string {
  const folder = resolve(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return folder;
  const hint = found === undefined ? 'there is no such folder' : 'this is a file; name the folder that it lies in';
  throw new UsageError(`${given(path)}: ${hint}`);
}
