// A quarantine on a real store, spool and folder, for its tests.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { type CopyId, copyId, type MailId } from '../../src/mail/mail-id.ts';
import type { Spool, SpoolEntry } from '../../src/mail/ports.ts';
import { silentLog } from '../../src/platform/log.ts';
import { FileQuarantine } from '../../src/quarantine/quarantine.ts';
import type { Deliver, Delivery } from '../../src/quarantine/release.ts';
import { openFileSpool } from '../../src/spool/file-spool.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { envelope, held, ledgerRecord, newId, session, temporaryFolder } from './sample-record.ts';

export const HOSTNAME = 'gateway.example.com';
export const STAMP = 'X-Spam-Flag: YES\r\nReceived: by gateway.example.com\r\n';

export interface QuarantineSet {
  readonly folder: string;
  readonly store: Store;
  readonly spool: Spool;
  readonly quarantine: FileQuarantine;
  /** The same files and rows after a restart. */
  again(): Promise<FileQuarantine>;
  /** A message in the spool. */
  spooled(to: readonly string[], content?: string): Promise<SpoolEntry>;
  /** A message in quarantine, its spool files removed; the ids of its copies. */
  hold(to?: readonly string[], content?: string): Promise<CopyId[]>;
  /** Names of all files in quarantine. */
  files(): string[];
}

export async function quarantineSet(t: TestContext): Promise<QuarantineSet> {
  const folder = await temporaryFolder(t);
  const store = await openStore({ path: join(folder, 'postern.db') });
  t.after(() => store.close());
  const spool = await openFileSpool({ folder: join(folder, 'spool'), reserveBytes: 0 });
  const again = () =>
    FileQuarantine.open({
      store,
      folder: join(folder, 'quarantine'),
      releaseKey: new Uint8Array(32).fill(7),
      hostname: HOSTNAME,
      log: silentLog(),
    });
  const quarantine = await again();
  const spooled = async (to: readonly string[], content = 'Subject: held\r\n\r\nbody\r\n') => {
    const draft = await spool.create(newId());
    await draft.write(Buffer.from(content, 'latin1'));
    return draft.seal(session(), envelope('sender@example.org', to));
  };
  return {
    folder,
    store,
    spool,
    quarantine,
    again,
    spooled,
    hold: async (to = ['rcpt@example.com'], content) => {
      const entry = await spooled(to, content);
      await quarantine.hold(held(ledgerRecord({ id: entry.id, to }), entry), STAMP);
      await spool.remove(entry.id);
      return to.map((_, index) => copyId(entry.id, index));
    },
    files: () =>
      readdirSync(join(folder, 'quarantine'), { recursive: true })
        .map(String)
        .filter(name => /\.\w+$/.test(name)),
  };
}

/** Where a message's files are. */
export function filePaths(set: QuarantineSet, id: MailId): { bytes: string; record: string } {
  const name = set.files().find(file => file.includes(id)) ?? '';
  const base = join(set.folder, 'quarantine', name).replace(/\.\w+$/, '');
  return { bytes: `${base}.eml`, record: `${base}.json` };
}

/** A next hop that notes what it got and answers as it is told. */
export function hop(
  code: number,
  text = 'queued as 4711',
): { deliver: Deliver; got: { delivery: Delivery; bytes: string }[] } {
  const got: { delivery: Delivery; bytes: string }[] = [];
  const deliver: Deliver = async delivery => {
    const pieces: Uint8Array[] = [];
    for await (const piece of delivery.body) pieces.push(piece);
    got.push({ delivery, bytes: Buffer.concat(pieces).toString('latin1') });
    return { host: 'smtp://10.0.0.5:25', reply: { code, enhanced: code < 300 ? '2.0.0' : null, text } };
  };
  return { deliver, got };
}
