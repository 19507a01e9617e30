// Whoever puts a rule into the wrong folder is told: which folders are read, what is in each, and what lies unread.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { folderLine, foldersRead, ruleFolders, unreadRules } from '../../../src/assembly/rule-folders.ts';
import { lintRules } from '../../../src/rules/load.ts';

const RULE = (symbol: string) => `rules:\n  ${symbol}: {about: a test, points: 1, when: {subject: {equals: x}}}\n`;

function world(t: TestContext) {
  const base = mkdtempSync(join(tmpdir(), 'postern-folders-'));
  t.after(() => rmSync(base, { recursive: true }));
  const [shipped, own] = [join(base, 'program/rules'), join(base, 'etc/rules/local')];
  mkdirSync(shipped, { recursive: true });
  writeFileSync(join(shipped, 'a.yaml'), RULE('A_RULE'));
  const folders = [
    { path: shipped, kind: 'shipped', mayBeMissing: false },
    { path: own, kind: 'site', mayBeMissing: true },
  ] as const;
  return { shipped, own, settings: { scanners: { rules: { folders } } } };
}

test('every folder of the settings is listed with what it has, also one that does not exist', t => {
  const { shipped, own, settings } = world(t);
  const lines = () => foldersRead(settings, lintRules(ruleFolders(settings)).files).map(folderLine);
  assert.deepEqual(lines(), [`${shipped}: 1 file, 1 rule`, `${own}: does not exist, 0 rules`]);
  mkdirSync(own, { recursive: true });
  assert.deepEqual(lines()[1], `${own}: no *.yaml file, 0 rules`);
  writeFileSync(join(own, 'mine.yaml'), RULE('MINE'));
  // A change of a shipped rule counts too.
  writeFileSync(join(own, 'other.yaml'), 'rules:\n  A_RULE: {points: 2}\n');
  assert.deepEqual(lines()[1], `${own}: 2 files, 2 rules`);
});

test("rules in the program's own rules/local are told where nobody reads them", t => {
  const { shipped, own, settings } = world(t);
  assert.equal(unreadRules(settings), '');
  mkdirSync(join(shipped, 'local'));
  assert.equal(unreadRules(settings), '', 'an empty folder is no mistake');
  writeFileSync(join(shipped, 'local/mine.yaml'), RULE('MINE'));
  const warning = unreadRules(settings);
  assert.ok(warning.includes(join(shipped, 'local')), warning);
  assert.ok(warning.includes(own), warning);
  const read = [
    ...settings.scanners.rules.folders,
    { path: join(shipped, 'local'), kind: 'site', mayBeMissing: false },
  ];
  assert.equal(unreadRules({ scanners: { rules: { folders: read as never } } }), '');
});

test('a rule that cannot be read is counted as what it is: a problem, in a folder that is listed', t => {
  const { own, settings } = world(t);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'mine.yaml'), 'rules:\n  MINE: {points: many}\n');
  const linted = lintRules(ruleFolders(settings));
  assert.equal(linted.source, null);
  assert.equal(foldersRead(settings, linted.files)[1]?.files, 1);
});
