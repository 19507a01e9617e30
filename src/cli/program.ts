// The command line: reads the command and hands over to its file. Called by main.ts. Commands load what they need when
// they run, so that --help and mistakes are answered at once.

import { Command } from 'commander';
import { VERSION } from '../version.ts';
import { checkCommand } from './check.ts';
import { doctorCommand } from './doctor.ts';
import { exitCodeOf } from './exit.ts';
import { quarantineCommand } from './quarantine.ts';
import { reloadCommand } from './reload.ts';
import { rulesCommand } from './rules.ts';
import { serveCommand } from './serve.ts';
import { endWhenNobodyReads } from './terminal.ts';
import { traceCommand } from './trace.ts';

const ABOUT = `Postern stands in front of your mail server: it takes mail by SMTP, finds out what each message is, and
passes it on, tags it, holds it in quarantine or refuses it.`;

const MORE = `
Settings come from --config FILE (after the command), else ./postern.yaml, else
the built-in demo. docs/config.md lists them all.
Exit status: 0 fine, 1 the answer is no, 2 a usage error or a bad file.

Examples:
  postern serve                      run the gateway
  postern trace user@example.org     what became of the mail of this address
  postern quarantine list            what is held
  postern quarantine release ID      pass a held copy on
  postern check message.eml          judge a file, without any gateway
  postern doctor                     is everything as it should be, and if not,
                                     what to do`;

/** Runs one command line; the exit code is set, nothing is thrown. */
export async function run(argv: readonly string[]): Promise<void> {
  endWhenNobodyReads();
  try {
    await program().parseAsync(argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

export function program(): Command {
  const top = new Command('postern')
    .description(ABOUT.replaceAll('\n', ' '))
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpText('after', MORE)
    .usage('COMMAND [options]');
  const commands = [
    serveCommand(),
    reloadCommand(),
    checkCommand(),
    rulesCommand(),
    quarantineCommand(),
    traceCommand(),
    doctorCommand(),
  ];
  for (const command of commands) top.addCommand(command);
  return prepared(top, 'postern');
}

/** Errors are thrown to us instead of ending the process, and read as all others do; also by subcommands. */
function prepared(command: Command, name: string): Command {
  for (const below of command.commands) prepared(below, `${name} ${below.name()}`);
  return command
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(`(${name} --help says more)`)
    .configureOutput({ outputError: (text, write) => write(inOurWords(text)) });
}

function inOurWords(text: string): string {
  const said = text.replace(/^error: /, 'postern: ');
  // Only of the words before a command, for every command knows --config.
  const isEarly = /unknown option '(-c|--config)/.test(said);
  return isEarly ? `${said}(options stand after the command: postern doctor --config FILE)\n` : said;
}
