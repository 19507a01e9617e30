// What is ours on disk: database, spool, quarantine. Opened first and closed last; what a crash left is settled here,
// before the first connection.

import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { type Books, createLedger } from '../ledger/ledger.ts';
import type { Spool } from '../mail/ports.ts';
import type { Log } from '../platform/log.ts';
import { makeFolder } from '../platform/safe-file.ts';
import { FileQuarantine } from '../quarantine/quarantine.ts';
import { loadReleaseKey } from '../quarantine/release-marks.ts';
import { openFileSpool, sweepSpool } from '../spool/file-spool.ts';
import { memoryFirst } from '../spool/memory-first.ts';
import { openStore, type Store } from '../store/store.ts';
import { databasePath } from './places.ts';

export interface Records {
  readonly store: Store;
  readonly spool: Spool;
  readonly ledger: Books;
  readonly quarantine: FileQuarantine;
}

export async function openRecords(settings: Settings, log: Log): Promise<Records> {
  const { data, hostname } = settings;
  await makeFolder(join(data, 'keys'));
  const files = await openFileSpool({ folder: join(data, 'spool'), reserveBytes: settings.diskReserve });
  const spool = memoryFirst(files);
  const store = await openStore({ path: databasePath(data) });
  try {
    const releaseKey = await loadReleaseKey(join(data, 'keys', 'release.key'));
    const folder = join(data, 'quarantine');
    const quarantine = await FileQuarantine.open({ store, folder, releaseKey, hostname, log });
    const recovery = await quarantine.recover();
    const swept = await sweepSpool(spool, async () => false, log);
    log.info({ ...recovery, swept }, 'what an earlier run left is settled');
    return { store, spool, ledger: createLedger(store, log), quarantine };
  } catch (error) {
    await store.close();
    throw error;
  }
}
