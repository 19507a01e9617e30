// Makes files and rows agree again after a crash. At start, before the listeners open: nobody else writes then.
//
//   files, no row of the message     held as the record says: the crash came before the commit, or the database was lost
//   files, a row, but no held copy   removed: the copy is done, or the sender was told 4yz and still has it
//   record missing, no row           removed: never answered with 250
//   a held copy, bytes not right     noted as damage: health says so until they are back
//   state releasing                  left: nobody knows whether the next hop has it; a release then asks for --force

import type { MailId } from '../mail/mail-id.ts';
import { errorText, type Log } from '../platform/log.ts';
import { eventStep } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';
import { parseHeld } from './held-file.ts';
import type { FoundFiles, ItemFiles } from './item-files.ts';
import { heldSteps } from './item-rows.ts';

export interface Recovery {
  /** Messages whose rows were made again. */
  readonly rebuilt: number;
  /** Messages whose left-over files were removed. */
  readonly removed: number;
  /** Held messages whose bytes are missing or wrong, and records without rows that cannot be read. */
  readonly damaged: number;
  /** Messages with a copy that may or may not have been released. */
  readonly unknown: number;
}

/** Ids asked for in one query. */
const AT_ONCE = 500;

interface Parts {
  readonly store: Store;
  readonly files: ItemFiles;
  readonly log: Log;
}

type Known = 'no row' | 'done' | 'open';

export async function recover(parts: Parts): Promise<Recovery> {
  const count = { rebuilt: 0, removed: 0, damaged: 0, unknown: 0 };
  for await (const day of parts.files.days()) {
    for (let at = 0; at < day.length; at += AT_ONCE) {
      const some = day.slice(at, at + AT_ONCE);
      const known = await knownOf(
        parts.store,
        some.map(({ id }) => id),
      );
      for (const found of some) {
        const done = await settle(parts, found, known.get(found.id) ?? 'no row');
        if (done !== 'kept') count[done]++;
      }
    }
  }
  for await (const row of openMessages(parts.store)) {
    if (row.isReleasing) count.unknown++;
    if (await noteDamage(parts, row)) count.damaged++;
  }
  return count;
}

async function settle(
  parts: Parts,
  found: FoundFiles,
  known: Known,
): Promise<'kept' | 'rebuilt' | 'removed' | 'damaged'> {
  const { files, log } = parts;
  const { id } = found;
  if (known === 'open') return 'kept';
  if (known === 'no row' && found.hasHeld && found.hasBytes) return rebuild(parts, id);
  await files.remove(id);
  log.info({ id }, 'left-over files removed from quarantine');
  return 'removed';
}

async function rebuild({ store, files, log }: Parts, id: MailId): Promise<'rebuilt' | 'damaged'> {
  try {
    const held = parseHeld(await files.readHeld(id), files.paths(id).bytes);
    if (held.record.id !== id) throw new Error(`the record is of ${held.record.id}`);
    const damage = await files.damage(id, held.record.entry);
    if (damage !== '') throw new Error(damage);
    const words = 'found in quarantine without a row after a crash: held; the sender may send it again';
    await store.write(db => [
      ...heldSteps(db, held),
      eventStep(db, { message_id: id, copy_id: null, at: Date.now(), who: 'postern', what: 'rebuilt', words }),
    ]);
    log.warn({ id }, words);
    return 'rebuilt';
  } catch (error) {
    // Not removed: it may be all that is left of a message, and a person can read it.
    log.error(
      { id, file: files.paths(id).bytes, error: errorText(error) },
      'quarantine file without row is damaged: kept',
    );
    return 'damaged';
  }
}

async function knownOf(store: Store, ids: readonly MailId[]): Promise<Map<string, Known>> {
  const messages = await store.read(db =>
    db
      .selectFrom('messages')
      .select('id')
      .where('id', 'in', [...ids]),
  );
  const open = await store.read(db =>
    db
      .selectFrom('items as i')
      .innerJoin('copies as c', 'c.copy_id', 'i.copy_id')
      .select('i.message_id')
      .distinct()
      .where('i.message_id', 'in', [...ids])
      .where('c.state', 'in', ['held', 'releasing']),
  );
  const known = new Map<string, Known>(messages.map(({ id }) => [id, 'done']));
  for (const { message_id } of open) known.set(message_id, 'open');
  return known;
}

interface OpenMessage {
  readonly id: MailId;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly damage: string;
  readonly isReleasing: boolean;
}

async function* openMessages(store: Store): AsyncGenerator<OpenMessage, void> {
  for (let last = ''; ; ) {
    const rows = await store.read(db =>
      db
        .selectFrom('holdings as h')
        .innerJoin('items as i', 'i.message_id', 'h.message_id')
        .innerJoin('copies as c', 'c.copy_id', 'i.copy_id')
        .select(({ fn }) => ['h.message_id', 'h.size_bytes', 'h.sha256', 'h.damage', fn.max('c.state').as('state')])
        .where('c.state', 'in', ['held', 'releasing'])
        .where('h.message_id', '>', last)
        .groupBy(['h.message_id', 'h.size_bytes', 'h.sha256', 'h.damage'])
        .orderBy('h.message_id')
        .limit(AT_ONCE),
    );
    for (const { message_id, size_bytes, sha256, damage, state } of rows) {
      // The id of a row was made by mailId(); of the two states `releasing` is the greater.
      yield { id: message_id as MailId, sizeBytes: size_bytes, sha256, damage, isReleasing: state === 'releasing' };
    }
    const end = rows.at(-1);
    if (end === undefined) return;
    last = end.message_id;
  }
}

/** True where something is wrong. Sizes only, for speed; digests where something was wrong before, and at release. */
async function noteDamage({ store, files, log }: Parts, row: OpenMessage): Promise<boolean> {
  const damage = row.damage === '' ? await files.wrongSize(row.id, row.sizeBytes) : await files.damage(row.id, row);
  if (damage !== row.damage) {
    await store.write(db => [db.updateTable('holdings').set({ damage }).where('message_id', '=', row.id)]);
  }
  if (damage !== '') log.error({ id: row.id, file: files.paths(row.id).bytes, damage }, 'held message is damaged');
  return damage !== '';
}
