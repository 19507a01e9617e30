// postern quarantine: what is held, and what becomes of it. Listing reads the database; releasing and deleting go
// through the running gateway, which alone changes a state.

import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { State } from '../mail/disposition.ts';
import { type CopyId, isCopyId, isMailId } from '../mail/mail-id.ts';
import { errorText } from '../platform/log.ts';
import { safeLine, safeText } from '../platform/terminal-text.ts';
import { ItemFiles } from '../quarantine/item-files.ts';
import { type Item, type ItemFilter, listItems } from '../quarantine/item-rows.ts';
import { itemPage } from '../quarantine/listing.ts';
import type { ReleaseResult } from '../quarantine/release.ts';
import { sinceOf } from './age.ts';
import { given, NoError, UsageError } from './exit.ts';
import { withPage } from './manual.ts';
import { LIMIT_MAX, newest } from './newest.ts';
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
import { startProgress } from './progress.ts';
import { DELETE_PAGE, LIST_PAGE, QUARANTINE_PAGE, RELEASE_PAGE, SHOW_PAGE } from './quarantine-pages.ts';
import { printRaw } from './raw-message.ts';
import { table } from './table.ts';
import { print, printJson } from './terminal.ts';

const STATES: readonly State[] = ['held', 'releasing', 'released', 'deleted'];
/** A message's text on a screen; the file has the rest. */
const READ_MAX = 8 * 1024 * 1024;
/** Why one of several copies was refused: our words and the next hop's. */
const SAID_MAX = 2000;

interface ListOptions extends WithConfig, WithJson {
  readonly recipient?: string;
  readonly sender?: string;
  readonly since?: string;
  readonly state?: string;
  readonly limit: string;
  readonly quiet?: boolean;
}

interface ActOptions extends WithConfig, WithJson {
  readonly force?: boolean;
}

export function quarantineCommand(): Command {
  const command = new Command('quarantine').description('what is held: list, show, release, delete');
  const listCommand = new Command('list')
    .description('held copies, newest first')
    .option('--recipient <address>', 'only copies for this recipient')
    .option('--sender <address>', 'only from this envelope sender; <> is the null sender')
    .option('--since <age>', 'held within this time: 30m, 12h, 7d')
    .option('--state <state>', `one of ${STATES.join(', ')}; default held and releasing`)
    .option('--limit <number>', 'how many', '50')
    .option('-q, --quiet', 'print the ids alone, one a line')
    .action(list);
  const showCommand = new Command('show')
    .description('one copy: why it is held, its headers and its text')
    .argument('<id>')
    .option('--raw', 'the message itself, byte for byte as it came, to a file or a pipe')
    .option('--force', 'with --raw: also to a terminal')
    .action(show);
  const releaseCommand = new Command('release')
    .description('pass held copies on to their next hop, unfiltered')
    .argument('<id...>')
    .option('--force', 'also where an earlier release ended without an answer: the recipient may get it twice')
    .action(release);
  const deleteCommand = new Command('delete')
    .description('remove held copies for good')
    .argument('<id...>')
    .option('--force', 'also where an earlier release ended without an answer')
    .action(remove);
  const below = [
    [listCommand, LIST_PAGE],
    [showCommand, SHOW_PAGE],
    [releaseCommand, RELEASE_PAGE],
    [deleteCommand, DELETE_PAGE],
  ] as const;
  for (const [one, page] of below) command.addCommand(withPage(withJson(withConfig(one)), page));
  return withPage(command, QUARANTINE_PAGE);
}

async function list(options: ListOptions): Promise<void> {
  const filter = filterOf(options);
  const { settings } = await settingsOf(options);
  const found = await withRecords(settings, reader => listItems(reader, { ...filter, limit: filter.limit + 1 }));
  const items = newest(found, filter.limit);
  if (options.json === true) {
    for (const item of items) printJson(item);
    return;
  }
  if (options.quiet === true) {
    for (const item of items) print(item.copyId);
    return;
  }
  if (items.length === 0) return print(isFiltered(options) ? 'Nothing held is like that.' : 'Nothing is held.');
  print(
    table(
      [
        { title: 'ID' },
        { title: 'HELD (UTC)', spare: 3 },
        { title: 'CLASS', spare: 2 },
        { title: 'SCORE', align: 'right', spare: 1 },
        { title: 'FROM', narrow: 'middle' },
        { title: 'TO', narrow: 'middle' },
        { title: 'SUBJECT', narrow: 'below' },
      ],
      items.map(row),
    ),
  );
}

/** Where nothing was found, it matters whether all was looked at. */
function isFiltered({ recipient, sender, since, state }: ListOptions): boolean {
  return [recipient, sender, since, state].some(given => given !== undefined);
}

function row(item: Item): string[] {
  const note = item.damage === '' ? item.state : `${item.state}, damaged: ${item.damage}`;
  const held = new Date(item.heldAt).toISOString().slice(0, 16).replace('T', ' ');
  const from = item.mailFrom === '' ? '<>' : item.mailFrom;
  const subject = item.state === 'held' && item.damage === '' ? item.subject : `[${note}] ${item.subject}`;
  return [item.copyId, held, item.class, item.score?.toFixed(1) ?? '-', from, item.rcptTo, subject];
}

function filterOf({ recipient, sender, since, state, limit }: ListOptions): ItemFilter & { readonly limit: number } {
  const wanted = STATES.find(known => known === state);
  if (state !== undefined && wanted === undefined) {
    throw new UsageError(`--state ${given(state)}: expected one of ${STATES.join(', ')}`);
  }
  return {
    limit: wholeNumber(limit, '--limit', { min: 1, max: LIMIT_MAX }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(sender === undefined ? {} : { sender: sender === '<>' ? '' : sender }),
    ...(since === undefined ? {} : { since: sinceOf(since) }),
    ...(wanted === undefined ? {} : { states: [wanted] }),
  };
}

interface ShowOptions extends WithConfig, WithJson {
  readonly raw?: boolean;
  readonly force?: boolean;
}

async function show(id: string, options: ShowOptions): Promise<void> {
  const copy = copyIdOf(id);
  if (options.raw === true && options.json === true) throw new UsageError('show: either --raw or --json');
  const { settings } = await settingsOf(options);
  const { showItem } = await import('../quarantine/quarantine.ts');
  const files = new ItemFiles(join(settings.data, 'quarantine'));
  const shown = await withRecords(settings, reader => showItem(reader, files, copy));
  if (shown === null) throw new NoError(`no copy ${copy} in quarantine (postern quarantine list shows what is there)`);
  if (options.raw === true) return printRaw(shown.path, options.force === true);
  const bytes = await readFile(shown.path).catch(() => null);
  const { readMessage } = await import('../message/read.ts');
  const { DEFAULT_LIMITS } = await import('../message/limits.ts');
  const text = bytes === null ? null : readMessage(bytes.subarray(0, READ_MAX), DEFAULT_LIMITS).text();
  if (options.json === true) printJson({ ...shown, text });
  else process.stdout.write(itemPage(shown, text));
}

async function release(ids: readonly string[], options: ActOptions): Promise<void> {
  await each(ids, options, { method: 'POST', path: copy => `/quarantine/${copy}/release`, doing: 'released' }, said => {
    const { copyId, result } = said as { copyId: string; result: ReleaseResult };
    return `Released ${copyId}. ${safeLine(result.host)} said: ${safeLine(result.words)}`;
  });
}

async function remove(ids: readonly string[], options: ActOptions): Promise<void> {
  const order = { method: 'DELETE', path: (copy: CopyId) => `/quarantine/${copy}`, doing: 'deleted' } as const;
  await each(ids, options, order, ({ copyId }) => `Deleted ${copyId}.`);
}

interface Order {
  readonly method: 'POST' | 'DELETE';
  readonly path: (copy: CopyId) => string;
  readonly doing: string;
}

/** One after the other, so that the next hop is not flooded; one that fails does not keep the others. */
async function each(
  ids: readonly string[],
  options: ActOptions,
  { method, path, doing }: Order,
  words: (said: { copyId: CopyId; result: unknown }) => string,
): Promise<void> {
  const copies = ids.map(copyIdOf);
  const { settings } = await settingsOf(options);
  const by = { by: userInfo().username, force: options.force === true };
  let done = 0;
  const failed: NoError[] = [];
  const progress = startProgress(() => `${doing} ${done} of ${copies.length} …`);
  try {
    for (const copyId of copies) {
      try {
        const result = await ask(settings, method, path(copyId), by);
        progress.clear();
        if (options.json === true) printJson(result);
        else print(words({ copyId, result }));
      } catch (error) {
        progress.clear();
        if (error instanceof Refused && options.json === true) printJson(error.body);
        const no = refusal(error);
        // Who asked for one copy hears it as the last word; who asked for many hears each in its place.
        if (copies.length > 1) process.stderr.write(`postern: ${copyId}: ${safeText(no.message, SAID_MAX)}\n`);
        failed.push(no);
      }
      done++;
    }
  } finally {
    progress.stop();
  }
  const [first] = failed;
  if (first !== undefined && copies.length === 1) throw first;
  if (first !== undefined) throw new NoError(`${failed.length} of ${copies.length} copies were not ${doing}`);
}

/** Where the copy is after a release that did not end in a 250. */
const AFTER: Readonly<Record<string, string>> = {
  failed: 'nobody has got it; the copy is still held: mend the next hop (postern doctor), then release it again',
  refused: 'the next hop does not want it; the copy is still held',
  unknown: 'the next hop may have it: look there, then release it again with --force, or delete it',
};

/** What the gateway refused, with what to do. Rethrows what is about no copy: the next one would meet the same. */
function refusal(error: unknown): NoError {
  if (!(error instanceof Refused)) throw error;
  const { kind = '' } = error.body as { kind?: string };
  const next = AFTER[kind];
  return next === undefined ? error : new NoError(`not released: ${errorText(error)}\n  ${next}`);
}

/** An id of a message stands for its only copy where it has one: that is for the gateway to say, so it must be whole. */
function copyIdOf(id: string): CopyId {
  if (isCopyId(id)) return id;
  const hint = isMailId(id)
    ? `that is a message; a copy of it is ${id}-1`
    : 'expected an id such as 01k9x2m4q8a7b3c5d6-1';
  throw new UsageError(`${given(id)}: ${hint} (postern quarantine list shows them)`);
}
