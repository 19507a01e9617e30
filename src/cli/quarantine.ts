// postern quarantine: what is held, and what becomes of it. Listing reads the database; releasing and deleting go
// through the running gateway, which alone changes a state.

import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { State } from '../mail/disposition.ts';
import { type CopyId, isCopyId, isMailId } from '../mail/mail-id.ts';
import { errorText } from '../platform/log.ts';
import { ItemFiles } from '../quarantine/item-files.ts';
import { type Item, type ItemFilter, listItems } from '../quarantine/item-rows.ts';
import { itemPage } from '../quarantine/listing.ts';
import type { ReleaseResult } from '../quarantine/release.ts';
import { NoError, UsageError } from './exit.ts';
import {
  ask,
  Refused,
  settingsOf,
  type WithConfig,
  type WithJson,
  wholeNumber,
  withConfig,
  withJson,
  withRecords,
} from './options.ts';
import { print, printJson, table } from './terminal.ts';

const STATES: readonly State[] = ['held', 'releasing', 'released', 'deleted'];
/** A message's text on a screen; the file has the rest. */
const READ_MAX = 8 * 1024 * 1024;

interface ListOptions extends WithConfig, WithJson {
  readonly recipient?: string;
  readonly sender?: string;
  readonly since?: string;
  readonly state?: string;
  readonly limit: string;
}

interface ActOptions extends WithConfig, WithJson {
  readonly force?: boolean;
}

const MORE = `
An item is one recipient's copy of one message; ID is its id, as list shows it.

Examples:
  postern quarantine list --recipient user@example.org --since 2d
  postern quarantine show 01k9x2m4q8a7b3c5d6-1
  postern quarantine release 01k9x2m4q8a7b3c5d6-1`;

export function quarantineCommand(): Command {
  const command = new Command('quarantine')
    .description('what is held: list, show, release, delete')
    .addHelpText('after', MORE);
  const listCommand = new Command('list')
    .description('held copies, newest first')
    .option('--recipient <address>', 'only copies for this recipient')
    .option('--sender <address>', 'only from this envelope sender; <> is the null sender')
    .option('--since <age>', 'held within this time: 30m, 12h, 7d')
    .option('--state <state>', `one of ${STATES.join(', ')} (default: held and releasing)`)
    .option('--limit <number>', 'how many', '50')
    .action(list);
  const showCommand = new Command('show')
    .description('one copy: why it is held, its headers and its text, made safe for the terminal')
    .argument('<id>')
    .action(show);
  const releaseCommand = new Command('release')
    .description('pass a held copy on to its next hop, unfiltered, and print what the next hop said')
    .argument('<id>')
    .option('--force', 'also where an earlier release ended without an answer: the recipient may get it twice')
    .action(release);
  const deleteCommand = new Command('delete')
    .description('remove a held copy for good')
    .argument('<id>')
    .option('--force', 'also where an earlier release ended without an answer')
    .action(remove);
  for (const below of [listCommand, showCommand, releaseCommand, deleteCommand]) {
    command.addCommand(withJson(withConfig(below)));
  }
  return command;
}

async function list(options: ListOptions): Promise<void> {
  const filter = filterOf(options);
  const { settings } = await settingsOf(options);
  const items = await withRecords(settings, reader => listItems(reader, filter));
  if (options.json === true) {
    for (const item of items) printJson(item);
    return;
  }
  if (items.length === 0) return print('Nothing is held.');
  print(
    table(
      [
        { title: 'ID' },
        { title: 'HELD (UTC)' },
        { title: 'CLASS' },
        { title: 'SCORE', align: 'right' },
        { title: 'FROM' },
        { title: 'TO' },
        { title: 'SUBJECT', wraps: true },
      ],
      items.map(row),
    ),
  );
}

function row(item: Item): string[] {
  const note = item.damage === '' ? item.state : `${item.state}, damaged: ${item.damage}`;
  const held = new Date(item.heldAt).toISOString().slice(0, 16).replace('T', ' ');
  const from = item.mailFrom === '' ? '<>' : item.mailFrom;
  const subject = item.state === 'held' && item.damage === '' ? item.subject : `[${note}] ${item.subject}`;
  return [item.copyId, held, item.class, item.score?.toFixed(1) ?? '-', from, item.rcptTo, subject];
}

function filterOf({ recipient, sender, since, state, limit }: ListOptions): ItemFilter {
  const wanted = STATES.find(known => known === state);
  if (state !== undefined && wanted === undefined) {
    throw new UsageError(`--state ${state}: expected one of ${STATES.join(', ')}`);
  }
  return {
    limit: wholeNumber(limit, '--limit', { min: 1, max: 1000 }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(sender === undefined ? {} : { sender: sender === '<>' ? '' : sender }),
    ...(since === undefined ? {} : { since: Date.now() - ageMs(since) }),
    ...(wanted === undefined ? {} : { states: [wanted] }),
  };
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function ageMs(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const size = UNITS[unit];
  if (size === undefined) throw new UsageError(`--since ${text}: expected an age such as 30m, 12h or 7d`);
  return Number(count) * size;
}

async function show(id: string, options: WithConfig & WithJson): Promise<void> {
  const copy = copyIdOf(id);
  const { settings } = await settingsOf(options);
  const { showItem } = await import('../quarantine/quarantine.ts');
  const files = new ItemFiles(join(settings.data, 'quarantine'));
  const shown = await withRecords(settings, reader => showItem(reader, files, copy));
  if (shown === null) throw new NoError(`no copy ${copy} in quarantine (postern quarantine list shows what is there)`);
  const bytes = await readFile(shown.path).catch(() => null);
  const { readMessage } = await import('../message/read.ts');
  const { DEFAULT_LIMITS } = await import('../message/limits.ts');
  const text = bytes === null ? null : readMessage(bytes.subarray(0, READ_MAX), DEFAULT_LIMITS).text();
  if (options.json === true) printJson({ ...shown, text });
  else process.stdout.write(itemPage(shown, text));
}

async function release(id: string, options: ActOptions): Promise<void> {
  const copy = copyIdOf(id);
  const { settings } = await settingsOf(options);
  const result = (await ask(settings, 'POST', `/quarantine/${copy}/release`, order(options)).catch(
    told(options),
  )) as ReleaseResult;
  if (options.json === true) printJson(result);
  else print(`Released ${copy}. ${result.host} said: ${result.words}`);
}

async function remove(id: string, options: ActOptions): Promise<void> {
  const copy = copyIdOf(id);
  const { settings } = await settingsOf(options);
  const result = await ask(settings, 'DELETE', `/quarantine/${copy}`, order(options)).catch(told(options));
  if (options.json === true) printJson(result);
  else print(`Deleted ${copy}.`);
}

/** Where the copy is after a release that did not end in a 250. */
const AFTER: Readonly<Record<string, string>> = {
  failed: 'nobody has got it; the copy is still held: mend the next hop (postern doctor), then release it again',
  refused: 'the next hop does not want it; the copy is still held',
  unknown: 'the next hop may have it: look there, then release it again with --force, or delete it',
};

/** With --json also a no is data. */
function told({ json }: WithJson): (error: unknown) => never {
  return error => {
    if (error instanceof Refused && json === true) printJson(error.body);
    const { kind = '' } = (error instanceof Refused ? error.body : {}) as { kind?: string };
    const next = AFTER[kind];
    throw next === undefined ? error : new NoError(`not released: ${errorText(error)}\n  ${next}`);
  };
}

function order({ force }: ActOptions): { by: string; force: boolean } {
  return { by: userInfo().username, force: force === true };
}

/** An id of a message stands for its only copy where it has one: that is for the gateway to say, so it must be whole. */
function copyIdOf(id: string): CopyId {
  if (isCopyId(id)) return id;
  const hint = isMailId(id)
    ? `that is a message; a copy of it is ${id}-1`
    : 'expected an id such as 01k9x2m4q8a7b3c5d6-1';
  throw new UsageError(`${id.slice(0, 100)}: ${hint} (postern quarantine list shows them)`);
}
