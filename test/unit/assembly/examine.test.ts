// What doctor finds out beside a gateway that runs, or before one does.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Running, rulesHealth, virusScannerHealth } from '../../../src/assembly/examine.ts';
import { reloadTroubleOf } from '../../../src/assembly/health.ts';
import { readRules } from '../../../src/assembly/scanning.ts';
import { parseSettings } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { BadFile } from '../../../src/platform/problem.ts';
import { needs } from '../../support/require.ts';

const DOMAIN = 'domains: {example.org: {nextHop: smtp://10.0.0.5}}\n';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-examine-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function settingsIn(folder: string, text = ''): Settings {
  return parseSettings(join(folder, 'postern.yaml'), `${DOMAIN}${text}`);
}

const running = (settings: Settings, waiting: Partial<Running['waiting']> = {}): Running => ({
  greetingWord: 'word',
  rules: { digest: readRules(settings).digest },
  waiting: { live: [], restart: [], ...waiting },
});

test('clamd without signatures is down before the start, with what fetches them', async t => {
  if (!needs(t, 'clamd')) return;
  const folder = folderOf(t);
  const settings = settingsIn(folder);
  const [without] = await virusScannerHealth(settings, null, folder);
  assert.equal(without?.level, 'down');
  assert.equal(without?.says, `clamd is installed, but there are no virus signatures in ${folder}`);
  assert.match(without?.next ?? '', /run freshclam/);
  writeFileSync(join(folder, 'main.cvd'), 'x'.repeat(1000));
  const [withSome] = await virusScannerHealth(settings, null, folder);
  assert.equal(withSome?.level, 'ok');
});

test('clamd that the running gateway has switched off, and the file on, waits for a restart', async t => {
  const settings = settingsIn(folderOf(t));
  const [row] = await virusScannerHealth(settings, running(settings, { restart: ['scanners.clamav.enabled'] }));
  assert.equal(row?.level, 'down');
  assert.equal(row?.next, 'restart the gateway: scanners.clamav.enabled waits for it');
  const [plain] = await virusScannerHealth(settings, running(settings));
  assert.doesNotMatch(plain?.next ?? '', /restart/);
});

test('clamd that the settings switch off is a choice, and what it means is said', async t => {
  const settings = settingsIn(folderOf(t), 'scanners: {clamav: {enabled: false}}');
  for (const beside of [null, running(settings)])
    assert.deepEqual(await virusScannerHealth(settings, beside), [
      {
        part: 'virus scanner',
        level: 'ok',
        says: 'switched off in the settings: no protection from viruses',
        next: '',
      },
    ]);
});

test('clamd that the file switches off, and the running gateway not yet, says both', async t => {
  const settings = settingsIn(folderOf(t), 'scanners: {clamav: {enabled: false}}');
  const [row] = await virusScannerHealth(settings, running(settings, { restart: ['scanners.clamav.enabled'] }));
  assert.equal(row?.says, 'switched off in the settings, not yet in the running gateway');
  assert.equal(row?.level, 'degraded');
  assert.match(row?.next ?? '', /^restart the gateway/);
});

test('settings and rules that the running gateway has not taken are something to do', async t => {
  const settings = settingsIn(folderOf(t));
  const [well] = await rulesHealth(settings, running(settings));
  assert.equal(well?.level, 'ok', well?.says);
  const [live] = await rulesHealth(settings, running(settings, { live: ['domains.example.org'] }));
  assert.equal(live?.level, 'degraded');
  assert.match(live?.says ?? '', /has an older version, waiting for a reload: domains\.example\.org$/);
  assert.equal(live?.next, 'postern reload');
  const [restart] = await rulesHealth(settings, running(settings, { live: ['log.level'], restart: ['listeners'] }));
  assert.match(restart?.says ?? '', /waiting for a reload: log\.level; for a restart: listeners$/);
  assert.equal(restart?.next, 'restart the gateway');
  const [rules] = await rulesHealth(settings, { ...running(settings), rules: { digest: 'another' } });
  assert.match(rules?.says ?? '', /waiting for a reload: the rules$/);
});

test('why a reload failed is one line: the first problem, and how many there are', () => {
  const problem = {
    file: 'a.yaml',
    line: 3,
    column: 5,
    message: 'unknown key "x"',
    hint: 'take it out',
    source: 'x: 1',
  };
  const one = reloadTroubleOf(new BadFile([problem]));
  assert.equal(one.says, 'a.yaml:3:5: unknown key "x"');
  assert.match(one.next, /postern rules lint/);
  const many = reloadTroubleOf(new BadFile([problem, problem, problem]));
  assert.equal(many.says, 'a.yaml:3:5: unknown key "x", the first of 3 problems');
  assert.equal(reloadTroubleOf(new Error('no thread')).says, 'no thread');
});
