import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { commandName } from '../../../src/cli/command-name.ts';
import { testFolder } from '../../support/postern.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

test('a hint names the command as it can be called from here', t => {
  const folder = testFolder(t, 'path');
  assert.equal(commandName(ROOT, ''), 'bin/postern');
  assert.equal(commandName('/', ''), join(ROOT, 'bin/postern').slice(1));
  assert.equal(commandName(join(ROOT, 'docs'), `/nowhere:${folder}`), join(ROOT, 'bin/postern'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/postern'), '');
  assert.equal(commandName(ROOT, `/nowhere:${folder}/bin`), 'postern');
});
