// The source obeys the table of scripts/architecture/table.ts; and a planted breach of each rule is found, so that the
// check is known to look.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { type Breach, breachText, checkArchitecture } from '../scripts/architecture/check.ts';
import { ALLOWED } from '../scripts/architecture/table.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = Object.keys(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).dependencies);

test('I3: the source keeps to the table of rooms, packages and guarded modules', () => {
  const { breaches } = checkArchitecture(ROOT, PACKAGES);
  assert.deepEqual(breaches.map(breachText), []);
});

test('every source file is read', () => {
  const names = readdirSync(join(ROOT, 'src'), { recursive: true }).filter(name => String(name).endsWith('.ts'));
  const { files, imports } = checkArchitecture(ROOT, PACKAGES);
  assert.equal(files, names.length);
  assert.ok(files >= 50, `${files} files`);
  assert.ok(imports >= 2 * files, `${imports} imports in ${files} files`);
});

test('every file that may use a guarded module says why', () => {
  for (const [path, { why }] of Object.entries(ALLOWED)) assert.ok(why.length > 10, path);
});

/** A file, what to put at its end, and the one rule that it breaks. */
const PLANTED: readonly (readonly [Breach['rule'], string, string])[] = [
  ['room', 'src/rules/planted.ts', "import { x } from '../spool/planted.ts';"],
  ['room', 'src/platform/planted.ts', "import { x } from '../mail/reply.ts';"],
  ['room', 'src/scanners/planted.ts', "import type { Verdict } from '../rules/planted.ts';"],
  ['room', 'src/spool/planted.ts', "export type X = import('../store/planted.ts').X;"],
  ['room', 'src/spool/planted.ts', "export * from '../gateway/planted.ts';"],
  ['room', 'src/gateway/planted.ts', "export const x = await import('../scanners/planted.ts');"],
  ['room', 'src/gateway/planted.ts', "import { x } from '../../test/support/require.ts';"],
  ['room', 'src/mail/planted.ts', "import { x } from '../platform/log.ts';"],
  ['room', 'src/gateway/planted.ts', "import { x } from '../cli/planted.ts';"],
  ['entry', 'src/cli/planted.ts', "import './main.ts';"],
  ['entry', 'src/pipeline/planted.ts', "import { x } from '../main.ts';"],
  ['entry', 'src/pipeline/planted.ts', "export const x = new URL('../thread.ts', import.meta.url);"],
  ['package', 'src/gateway/planted.ts', "import { pino } from 'pino';"],
  ['package', 'src/gateway/planted.ts', "import { DatabaseSync } from 'node:sqlite';"],
  ['package', 'src/gateway/planted.ts', "import type { x } from '@nobody/package/lib/x.js';"],
  ['package', 'src/message/planted.ts', "import libmime from 'libmime';"],
  ['guarded', 'src/scanners/planted.ts', "import { connect } from 'node:net';"],
  ['guarded', 'src/scanners/planted.ts', "import { connect } from 'net';"],
  ['guarded', 'src/scanners/planted.ts', "import * as net from 'node:net';"],
  ['guarded', 'src/scanners/planted.ts', "import { isIP, type Socket } from 'node:net';"],
  ['guarded', 'src/rules/planted.ts', "export { spawn } from 'node:child_process';"],
  ['guarded', 'src/platform/planted.ts', "import http from 'node:http';"],
  ['pure', 'src/mail/planted.ts', "import { isIP } from 'node:net';"],
  ['pure', 'src/mail/planted.ts', "import { readFile } from 'node:fs/promises';"],
  ['pure', 'src/mail/reply.ts', "import { domainToASCII } from 'node:url';"],
  ['detour', 'src/rules/planted.ts', "export const x = await fetch('http://192.0.2.1/');"],
  ['detour', 'src/rules/planted.ts', 'export const x = (name: string) => import(name);'],
  ['detour', 'src/rules/planted.ts', "export const x = process.getBuiltinModule('node:net');"],
  ['cycle', 'src/mail/reply.ts', "import type { MailError } from './error.ts';"],
  ['size', 'src/rules/planted.ts', '// a line\n'.repeat(401)],
  ['reach', 'src/rules/planted.ts', 'export const x = 1;'],
  ['place', 'src/helpers/planted.ts', 'export const x = 1;'],
  ['place', 'src/planted.ts', 'export const x = 1;'],
];

describe('a planted breach is found', () => {
  const copy = mkdtempSync(join(tmpdir(), 'postern-architecture-'));
  cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true });
  const before = new Set(checkArchitecture(copy, PACKAGES).breaches.map(breachText));
  after(() => rmSync(copy, { recursive: true }));

  const found = () => checkArchitecture(copy, PACKAGES).breaches.filter(breach => !before.has(breachText(breach)));
  const plant = (path: string, text: string): (() => void) => {
    const file = join(copy, path);
    const original = existsSync(file) ? readFileSync(file) : null;
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, `${text}\n`);
    return () => (original === null ? rmSync(file) : writeFileSync(file, original));
  };

  for (const [rule, path, text] of PLANTED) {
    test(`${rule}: ${path}: ${text.slice(0, 70).trim()}`, () => {
      const remove = plant(path, text);
      const breaches = found();
      remove();
      // Nothing leads to a planted file, which is a breach of its own.
      const rules = new Set(breaches.map(breach => breach.rule).filter(name => rule === 'reach' || name !== 'reach'));
      assert.deepEqual([...rules], [rule], breaches.map(breachText).join('\n'));
    });
  }

  test('and nothing is found once it is gone', () => {
    assert.deepEqual(found().map(breachText), []);
  });
});

describe('the tests', () => {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true })
    .map(name => join('test', String(name)))
    .filter(name => name.endsWith('.ts'));
  const textOf = (name: string) => readFileSync(join(ROOT, name), 'utf8');

  test('pass over what is not there in one way only, which fails where everything is required', () => {
    const other =
      /\b(?:t|test|it|describe|suite|context)\.(?:skip|only|todo)\(|\{[^}\n]*\b(?:skip|only|todo): (?!\(\))/;
    // Collections of other people's mail are no part of the project, so nobody can be asked to have them.
    const collections = ['test/unit/message/corpora.test.ts', 'test/unit/message/suites.test.ts'];
    const exempt = ['test/support/require.ts', 'test/architecture.test.ts', ...collections];
    assert.deepEqual(
      files.filter(name => !exempt.includes(name) && other.test(textOf(name))),
      [],
    );
  });

  test('name every invariant that the design says may never break', () => {
    const named = new Set(files.flatMap(name => [...textOf(name).matchAll(/['"`](I\d+): /g)].map(([, id = '']) => id)));
    const missing = Array.from({ length: 10 }, (_, index) => `I${index + 1}`).filter(id => !named.has(id));
    assert.deepEqual(missing, []);
  });
});
