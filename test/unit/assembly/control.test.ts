import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Controlled, controlRoutes, NotStarted } from '../../../src/assembly/control.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { Postern } from '../../../src/main.ts';
import type { HttpCall } from '../../../src/platform/http.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { testFolder } from '../../support/postern.ts';

const CALL: HttpCall = { params: { id: '01k9x2m4q8a7b3c5d6-1' }, query: {}, body: undefined };
const STARTING = { status: 503, body: { error: 'the gateway is starting, try again in a moment' } };

function routesOf(trouble: () => Error): ReturnType<typeof controlRoutes> {
  const fail = async () => Promise.reject(trouble());
  const quarantine = () => {
    throw trouble();
  };
  const controlled: Controlled = { status: fail, top: fail, reload: fail, quarantine, deliver: fail };
  return controlRoutes(controlled);
}

test('whatever is asked before the start is done, the answer is 503 and to try again', async () => {
  for (const { method, path, handler } of routesOf(() => new NotStarted()))
    assert.deepEqual(await handler(CALL), STARTING, `${method} ${path}`);
});

test('what breaks later is no start under way', async () => {
  for (const { method, path, handler } of routesOf(() => new Error('broken')))
    await assert.rejects(async () => handler(CALL), /broken/, `${method} ${path}`);
});

test('a gateway that has not started says so, whatever it is asked', async t => {
  const { settings } = loadSettings({ cwd: testFolder(t, 'not-started') });
  const postern = new Postern({ settings, readSettings: () => settings, log: silentLog() });
  t.after(() => postern.stop());
  for (const asked of [
    () => postern.status(),
    () => postern.top(),
    () => postern.reload(),
    async () => postern.records,
  ])
    await assert.rejects(asked, NotStarted);
});
