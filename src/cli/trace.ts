// postern trace: where is my mail? The story of one message, or the list of an address.

import { isIP } from 'node:net';
import { Command } from 'commander';
import { traceJson, traceStory } from '../ledger/story.ts';
import { traceByAddress, traceById, traceByWords } from '../ledger/trace.ts';
import { isCopyId, isMailId } from '../mail/mail-id.ts';
import { safeLine } from '../platform/terminal-text.ts';
import { sinceOf } from './age.ts';
import { NoError, UsageError } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { LIMIT_MAX, newest } from './newest.ts';
import {
  settingsOf,
  type WithConfig,
  type WithJson,
  wholeNumber,
  withConfig,
  withJson,
  withRecords,
} from './options.ts';
import { print, printJson } from './terminal.ts';
import { traceTable } from './trace-list.ts';

const PAGE: Page = {
  describes: `
Tells what became of a message, in the order of time: who brought it, what was found, what was decided and why, what was
told to the sender, what the next hop said, and what to do next. With an address, lists the newest messages that it sent,
that were for it, or that came from it; with a server's queue id, those of which a next hop has said it.

ID is the id of a message or of a copy: it stands in the reply to the sender, in the header X-Postern-Report, in the log
and in lists. ADDRESS is a sender, a recipient, a client's IP address, a Message-ID, or <> for the null sender. A queue id is looked for
in all that next hops have said, which takes a second or more where there are many records; --since makes it shorter.`,
  examples: [
    { run: 'postern trace 01k9x2m4q8a7b3c5d6', does: 'the story of one message' },
    { run: 'postern trace user@example.org --limit 20', does: 'where is the mail of this address' },
    { run: 'postern trace 4c2gXz1Wn5zKf --since 2d', does: 'the message that the next hop calls so' },
    { run: 'postern trace 127.0.0.1 --json', does: 'what a client sent, for a program' },
  ],
  exits: { 1: 'there is nothing of that in the records' },
};

export function traceCommand(): Command {
  const command = new Command('trace')
    .description('what became of a message, as a story; or of the newest messages of an address')
    .argument('<id-or-address>')
    .option('--since <age>', 'of an address or queue id: within this time, 30m, 12h, 7d')
    .option('--limit <number>', 'how many messages of an address', '50')
    .action(trace);
  return withPage(withJson(withConfig(command)), PAGE);
}

/** Where half an address was given, nothing found would look as if no mail had come. */
function nothing(what: string, data: string): string {
  const said = `nothing from, to or by ${safeLine(what, 300)} in the records of ${data}`;
  const isWhole = what === '<>' || what.includes('@') || isIP(what) !== 0;
  return isWhole ? said : `${said}\n  it is no id (18 characters) and no whole address: a part of one finds nothing`;
}

interface TraceOptions extends WithConfig, WithJson {
  readonly limit: string;
  readonly since?: string;
}

async function trace(what: string, options: TraceOptions): Promise<void> {
  if (what === '') throw new UsageError('trace "": expected an id or an address');
  const limit = wholeNumber(options.limit, '--limit', { min: 1, max: LIMIT_MAX });
  const which = { limit: limit + 1, ...(options.since === undefined ? {} : { since: sinceOf(options.since) }) };
  const { settings } = await settingsOf(options);
  await withRecords(settings, async reader => {
    // Read aloud or typed, an id may come in capitals.
    const id = what.toLowerCase();
    if (isMailId(id) || isCopyId(id)) {
      const traced = await traceById(reader, id);
      if (traced === null) throw new NoError(`no message ${id} in the records of ${settings.data}`);
      if (options.json === true) return printJson(traceJson(traced));
      process.stdout.write(traceStory(traced));
      return;
    }
    const found = await traceByAddress(reader, what, which);
    const all = found.length === 0 && QUEUE_ID.test(what) ? await traceByWords(reader, what, which) : found;
    const lines = newest(all, limit);
    if (lines.length === 0) throw new NoError(nothing(what, settings.data));
    if (options.json === true) for (const line of lines) printJson(line);
    else print(traceTable(lines));
  });
}

/** What mail servers call a message: letters and digits, some of them digits. An address of any kind is none. */
const QUEUE_ID = /^(?=.*\d)[A-Za-z0-9-]{5,64}$/;
