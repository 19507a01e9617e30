// The audit finds nothing here, and each breach that is planted.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { ADVISORIES } from '../../../scripts/audit/advisories.ts';
import { audit } from '../../../scripts/audit/audit.ts';

const ROOT = join(import.meta.dirname, '../../..');

type Json = Record<string, Record<string, Record<string, unknown>>>;
const read = (name: string): Json => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

/** What the audit says of our lock file and manifest after `change`, with files beside them. */
function problemsOf(
  t: TestContext,
  change: (lock: Json, manifest: Json) => void,
  files: Readonly<Record<string, string>> = {},
): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'postern-audit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [lock, manifest] = [read('package-lock.json'), read('package.json')];
  change(lock, manifest);
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock, null, 2));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return audit(folder).problems;
}

test('dependencies are locked and known, and no file holds a secret', () => {
  const { packages, files, problems } = audit(ROOT);
  assert.deepEqual(problems, []);
  assert.ok(packages > 100 && files > 400, `${packages} packages, ${files} files`);
});

test('every published hole on the list is of a package we have', () => {
  const names = Object.keys(read('package-lock.json')['packages'] ?? {});
  for (const { package: name } of ADVISORIES)
    assert.ok(
      names.some(path => path.endsWith(`node_modules/${name}`)),
      name,
    );
});

const PINO = 'node_modules/pino';
const BREACHES: readonly (readonly [string, (lock: Json, manifest: Json) => void, RegExp])[] = [
  ['a package without a checksum', lock => delete entry(lock, PINO)['integrity'], /pino: no checksum/],
  ['a weak checksum', lock => set(lock, 'integrity', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='), /pino: no checksum/],
  ['a licence nobody has looked at', lock => set(lock, 'license', 'AGPL-3.0'), /licence AGPL-3.0/],
  ['no licence', lock => delete entry(lock, PINO)['license'], /licence undefined/],
  ['a new install script', lock => set(lock, 'hasInstallScript', true), /runs a script/],
  ['the host of a registry', lock => set(lock, 'resolved', 'https://registry.example/pino.tgz'), /names where it came/],
  [
    'a package from a branch',
    lock => set(lock, 'version', 'git+ssh://git@forge.example/pino.git#main'),
    /no plain version/,
  ],
  ['a linked folder', lock => set(lock, 'link', true), /not from a registry/],
  ['a hole that was mended later', lock => set(lock, 'version', '5.7.1', 'node_modules/fastify'), /CVE-2026-25223/],
  ['a hole in the older line of two', lock => set(lock, 'version', '3.1.6', 'node_modules/fast-uri'), /CVE-2026-84394/],
  ['a preliminary version', lock => set(lock, 'version', '5.8.3-rc.1', 'node_modules/fastify'), /CVE-2026-3635/],
  ['a dependency from an address', (_, manifest) => depend(manifest, 'https://forge.example/x.tgz'), /x comes from/],
  ['a dependency from a forge', (_, manifest) => depend(manifest, 'github:someone/x'), /x comes from/],
  ['a dependency of any version', (_, manifest) => depend(manifest, '*'), /x comes from/],
];

function entry(lock: Json, path: string): Record<string, unknown> {
  const found = lock['packages']?.[path];
  assert.ok(found !== undefined, path);
  return found;
}

function set(lock: Json, key: string, value: unknown, path = PINO): void {
  entry(lock, path)[key] = value;
}

function depend(manifest: Json, range: string): void {
  manifest['dependencies'] = { ...manifest['dependencies'], x: range as unknown as Record<string, unknown> };
}

for (const [name, change, expected] of BREACHES) {
  test(`the audit finds ${name}`, t => {
    const problems = problemsOf(t, change);
    assert.match(problems.join('\n'), expected);
  });
}

test('the audit finds secrets, and a lock file without packages', t => {
  // Put together here, or this file would be one.
  const secrets = {
    'key.pem': `-----BEGIN RSA ${'PRIVATE'} KEY-----\n`,
    openssh: `-----BEGIN OPENSSH ${'PRIVATE'} KEY-----\n`,
    cloud: `key = AKIA${'0123456789ABCDEF'}`,
    forge: `ghp${'_'}${'a1B2'.repeat(9)}`,
    '.npmrc': `//registry.example/:_auth${'Token'}=abc`,
    chat: `xoxb${'-'}1234567890-abc`,
    signed: ['eyJ'.padEnd(30, 'a'), 'eyJ'.padEnd(30, 'b'), 'c'.repeat(30)].join('.'),
  };
  const found = problemsOf(t, () => undefined, secrets);
  assert.deepEqual(found.map(line => line.split(':')[0]).sort(), Object.keys(secrets).sort());
  assert.match(
    problemsOf(t, lock => {
      lock['packages'] = {};
    }).join(),
    /no packages/,
  );
});
