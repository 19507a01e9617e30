// postern trace: where is my mail? The story of one message, or the list of an address.

import { isIP } from 'node:net';
import { Command } from 'commander';
import { traceJson, traceList, traceStory } from '../ledger/story.ts';
import { traceByAddress, traceById } from '../ledger/trace.ts';
import { isCopyId, isMailId } from '../mail/mail-id.ts';
import { safeLine } from '../platform/terminal-text.ts';
import { NoError, UsageError } from './exit.ts';
import {
  settingsOf,
  type WithConfig,
  type WithJson,
  wholeNumber,
  withConfig,
  withJson,
  withRecords,
} from './options.ts';
import { printJson } from './terminal.ts';

const MORE = `
ID is the id of a message or copy: it stands in replies, in the header
X-Postern-Report, in logs and lists.
ADDRESS is a sender, a recipient, a client's IP address or a Message-ID.

Examples:
  postern trace 01k9x2m4q8a7b3c5d6
  postern trace user@example.org --limit 20
  postern trace 192.0.2.1 --json`;

export function traceCommand(): Command {
  const command = new Command('trace')
    .description('what became of a message, as a story; or of the newest messages of an address')
    .argument('<id-or-address>')
    .option('--limit <number>', 'how many messages of an address', '50')
    .addHelpText('after', MORE)
    .action(trace);
  return withJson(withConfig(command));
}

/** Where half an address was given, nothing found would look as if no mail had come. */
function nothing(what: string, data: string): string {
  const said = `nothing from, to or by ${safeLine(what, 300)} in the records of ${data}`;
  const isWhole = what === '<>' || what.includes('@') || isIP(what) !== 0;
  return isWhole ? said : `${said}\n  it is no id (18 characters) and no whole address: a part of one finds nothing`;
}

async function trace(what: string, options: WithConfig & WithJson & { limit: string }): Promise<void> {
  if (what === '') throw new UsageError('trace "": expected an id or an address');
  const limit = wholeNumber(options.limit, '--limit', { min: 1, max: 1000 });
  const { settings } = await settingsOf(options);
  await withRecords(settings, async reader => {
    if (isMailId(what) || isCopyId(what)) {
      const traced = await traceById(reader, what);
      if (traced === null) throw new NoError(`no message ${what} in the records of ${settings.data}`);
      if (options.json === true) return printJson(traceJson(traced));
      process.stdout.write(traceStory(traced));
      return;
    }
    const lines = await traceByAddress(reader, what, limit);
    if (lines.length === 0) throw new NoError(nothing(what, settings.data));
    if (options.json === true) for (const line of lines) printJson(line);
    else process.stdout.write(traceList(lines));
  });
}
