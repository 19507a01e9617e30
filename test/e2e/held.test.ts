// What was held can be released, whatever its first line is, and also after the database was lost (I1, I4).

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { GTUBE, idOf, sendMail } from '../support/send.ts';

test('I1: a held message that begins with a blank or a tab is released, and rebuilt without the database', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const folder = testFolder(t, 'held');
  const settings = [
    `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
    'policies: {default: {thresholds: {tag: 5, quarantine: 8, reject: never}}}',
    'diskReserve: 0B',
    RULES_ALONE,
  ].join('\n');
  const first = await startPostern(t, { settings, folder });
  const contents = [` folded\r\n\r\n${GTUBE}\r\n`, `\tfolded\r\n${GTUBE}\r\n`];
  const ids: string[] = [];
  for (const content of contents) ids.push(idOf(await sendMail(first.port, { content })));
  assert.equal(hop.messages.length, 0);
  const released = await first.cli('quarantine', 'release', `${ids[0]}-1`);
  assert.equal(released.code, 0, released.stdout + released.stderr);
  await first.stop();

  for (const name of ['postern.db', 'postern.db-wal', 'postern.db-shm']) {
    rmSync(join(folder, 'data', name), { force: true });
  }
  const second = await startPostern(t, { settings, folder });
  const again = await second.cli('quarantine', 'release', `${ids[1]}-1`);
  assert.equal(again.code, 0, again.stdout + again.stderr);

  assert.equal(hop.messages.length, 2);
  for (const [i, { bytes }] of hop.messages.entries()) {
    // The empty line ends our header block: what the sender wrote is no part of it.
    assert.ok(bytes.toString().endsWith(`\r\n\r\n${contents[i]}`), bytes.toString());
  }
});
