// postern completion: the script that makes a shell complete our commands, options, files and the ids of held copies.
// The words come from the commands themselves; only ids are asked for at the time, from the records, read only.

import { Command } from 'commander';
import { safeLine } from '../platform/terminal-text.ts';
import { listItems } from '../quarantine/item-rows.ts';
import { bashScript, fishScript, zshScript } from './completion-scripts.ts';
import { SHELLS, type Words, wordsOf } from './completion-words.ts';
import { given, UsageError } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { settingsOf, type WithConfig, withConfig, withRecords } from './options.ts';
import { print } from './terminal.ts';

const PAGE: Page = {
  describes: `
Prints a script for SHELL: bash, zsh or fish. With it the Tab key completes commands, options, file names, and the ids of
held copies, the newest first.`,
  examples: [
    {
      run: 'postern completion bash > ~/.local/share/bash-completion/completions/postern',
      does: 'for every new bash (the folder must be there)',
    },
    { run: 'eval "$(postern completion bash)"', does: 'for this bash alone' },
    { run: 'postern completion zsh > ~/.zfunc/_postern', does: 'for zsh, with ~/.zfunc in fpath' },
    { run: 'postern completion fish > ~/.config/fish/completions/postern.fish', does: 'for fish' },
  ],
};

const SCRIPTS: Readonly<Record<string, (all: readonly Words[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export function completionCommand(): Command {
  const command = new Command('completion')
    .description('print a script that makes a shell complete our commands')
    .argument('<shell>')
    .action(completion);
  return withPage(withConfig(command), PAGE);
}

async function completion(shell: string, options: WithConfig, command: Command): Promise<void> {
  if (shell === 'held') return held(options);
  const script = SCRIPTS[shell];
  if (!Object.hasOwn(SCRIPTS, shell) || script === undefined) {
    throw new UsageError(`completion ${given(shell)}: expected one of ${SHELLS.join(', ')}`);
  }
  process.stdout.write(script(wordsOf(command.parent ?? command)));
}

/** Held copies offered; more would not be read. */
const HELD_MAX = 50;

/** For the scripts: an id a line, a tab, and whose mail it is. Says nothing where there is nothing: Tab is no question. */
async function held(options: WithConfig): Promise<void> {
  try {
    const { settings } = await settingsOf(options);
    const items = await withRecords(settings, reader => listItems(reader, { limit: HELD_MAX }));
    for (const { copyId, class: kind, rcptTo, subject } of items) {
      print(`${copyId}\t${safeLine(`${kind} for ${rcptTo}: ${subject}`, 80)}`);
    }
  } catch {
    // No records yet, or not ours to read.
  }
}
