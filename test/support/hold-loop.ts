// A process that takes messages into the spool and the quarantine as the gateway does, and says the id of each that it
// would have answered 250. quarantine-crash.test.ts kills it. Arguments: data folder, how many (0: until killed).

import { writeSync } from 'node:fs';
import { join } from 'node:path';

import { silentLog } from '../../src/platform/log.ts';
import { FileQuarantine } from '../../src/quarantine/quarantine.ts';
import { loadReleaseKey } from '../../src/quarantine/release-marks.ts';
import { openFileSpool, sweepSpool } from '../../src/spool/file-spool.ts';
import { openStore } from '../../src/store/store.ts';
import { envelope, held, ledgerRecord, newId, session } from './sample-record.ts';

const [folder = '', count = '0'] = process.argv.slice(2);
const store = await openStore({ path: join(folder, 'postern.db') });
const spool = await openFileSpool({ folder: join(folder, 'spool'), reserveBytes: 0 });
const quarantine = await FileQuarantine.open({
  store,
  folder: join(folder, 'quarantine'),
  releaseKey: await loadReleaseKey(join(folder, 'keys', 'release.key')),
  hostname: 'gateway.example.com',
  log: silentLog(),
});
const recovered = await quarantine.recover();
await sweepSpool(spool, async () => false, silentLog());
writeSync(1, `ready ${JSON.stringify(recovered)}\n`);

async function takeOne(): Promise<void> {
  const id = newId();
  const to = ['a@example.com', 'b@example.com'];
  const draft = await spool.create(id);
  await draft.write(Buffer.from(`Subject: ${id}\r\n\r\n`));
  await draft.write(Buffer.alloc(20_000, id));
  const entry = await draft.seal(session(), envelope('sender@example.org', to));
  await quarantine.hold(held(ledgerRecord({ id, to }), entry), 'X-Spam-Flag: YES\r\n');
  // As the reply to the client: written at once, with no buffer that a kill could take along.
  writeSync(1, `held ${id} ${entry.sha256}\n`);
  await spool.remove(id);
}

async function takeMany(): Promise<void> {
  for (let i = 0; count === '0' || i < Number(count); i++) await takeOne();
}

await Promise.all(count === '1' ? [takeMany()] : [takeMany(), takeMany(), takeMany()]);
await store.close();
