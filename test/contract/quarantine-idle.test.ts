// The quarantine at the end of the process: what has begun is recorded, and nothing new begins.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CopyId } from '../../src/mail/mail-id.ts';
import { hop, quarantineSet } from '../support/quarantine-set.ts';

test('idle waits until the hop has answered a release and its words are recorded', async t => {
  const set = await quarantineSet(t);
  const [copy, other] = await set.hold(['a@example.com', 'b@example.com']);
  const { deliver } = hop(250);
  const answer = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const released = set.quarantine.release(copy as CopyId, {
    by: 'root',
    deliver: async delivery => {
      asked.resolve();
      await answer.promise;
      return deliver(delivery);
    },
  });
  await asked.promise;
  let isIdle = false;
  const idle = set.quarantine.idle().then(() => {
    isIdle = true;
  });
  const late = await set.quarantine.release(other as CopyId, { by: 'root', deliver });
  assert.match(`${late.kind}: ${late.words}`, /impossible: the gateway is stopping/);
  assert.equal((await set.quarantine.delete(other as CopyId, { by: 'root' })).kind, 'impossible');
  assert.equal(isIdle, false);
  answer.resolve();
  await idle;
  const states = await set.store.read(db => db.selectFrom('copies').select('state').orderBy('copy_id'));
  assert.deepEqual(states, [{ state: 'released' }, { state: 'held' }]);
  assert.equal((await released).kind, 'released');
});

test('idle with nothing under way is at once', async t => {
  await (await quarantineSet(t)).quarantine.idle();
});
