// What doctor says beside a gateway that runs on older settings, and beside none.

import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFakeHop } from '../support/fake-hop.ts';
import { healthOf } from '../support/health.ts';
import { RULES_ALONE, type Said, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';

interface Row {
  readonly part: string;
  readonly level: string;
  readonly says: string;
  readonly next: string;
}

function rowOf(said: Said, part: string): Row {
  const { parts } = JSON.parse(said.stdout) as { parts: Row[] };
  const row = parts.find(one => one.part === part);
  assert.ok(row !== undefined, `${part}: ${said.stdout}${said.stderr}`);
  return row;
}

test('doctor tells settings that wait from parts that are ill, a failed reload in a line, and no gateway as down', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const dns = 'dns: {timeout: 500ms}';
  const postern = await startPostern(t, {
    settings: `domains: {example.org: {nextHop: "${hop.smtp}"}}\n${dns}\n${RULES_ALONE}`,
  });
  const doctor = () => postern.cli('doctor', '--json');
  const file = join(postern.folder, 'postern.yaml');

  const first = await doctor();
  const fresh = rowOf(first, 'settings and rules');
  assert.equal(fresh.level, 'ok', fresh.says);
  // A choice is no fault, and all three who are asked say so.
  const off = 'switched off in the settings: no protection from viruses';
  assert.deepEqual([rowOf(first, 'virus scanner').level, rowOf(first, 'virus scanner').says], ['ok', off]);
  assert.equal(rowOf(first, 'gateway').level, 'ok');
  assert.match(rowOf(first, 'gateway').says, /does not protect from: viruses, forged senders/);
  const health = await healthOf(postern);
  const clamavOff = health.parts.find(({ part }) => part === 'clamav');
  assert.deepEqual([health.status, clamavOff?.level, clamavOff?.says], [200, 'ok', off]);
  assert.ok(health.switchedOff.includes('viruses'));

  writeFileSync(file, readFileSync(file, 'utf8').replace('clamav: {enabled: false}', 'clamav: {enabled: true}'));
  appendFileSync(file, 'nextHopText: show\n');
  const changed = await doctor();
  const waiting = rowOf(changed, 'settings and rules');
  assert.equal(waiting.level, 'degraded');
  assert.match(waiting.says, /waiting for a reload: nextHopText; for a restart: scanners\.clamav\.enabled$/);
  const clamav = rowOf(changed, 'virus scanner');
  assert.equal(clamav.level, 'down');
  assert.equal(clamav.next, 'restart the gateway: scanners.clamav.enabled waits for it');

  const folder = join(postern.folder, 'rules/local');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'mine.yaml'), 'rules:\n  ONE: {points: many}\n  TWO: {points: few}\n');
  assert.equal((await postern.cli('reload')).code, 2);
  const failed = rowOf(await doctor(), 'last reload');
  assert.match(
    failed.says,
    /^the last reload failed, the old version holds: \S+mine\.yaml:2:3: .*, the first of 4 problems$/,
  );
  assert.match(failed.next, /postern rules lint/);

  await postern.stop();
  const without = await doctor();
  assert.equal(without.code, 1);
  assert.equal(rowOf(without, 'gateway').level, 'down');
  assert.match(rowOf(without, 'ports').says, new RegExp(`127\\.0\\.0\\.1:${postern.port}\\b`));
});
