// What we depend on and what we publish, checked without a network: every package by its lock entry (checksum, licence,
// install script, origin, published holes), every file of the repository for secrets. Called by scripts/audit.ts.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { ADVISORIES } from './advisories.ts';

/** Licences that ask for no more than their text: each is on the list of the Open Source Initiative. */
const LICENCES = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0'],
  // A choice is ours.
  ...['MIT OR Apache-2.0', '(MIT OR EUPL-1.1+)'],
]);

/** A version from a registry; never a branch, a folder or an address. */
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
const RANGE = /^(?:[\^~]?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?|\$[a-z@/.-]+)$/;

/** Each is a form that nothing else has; what merely looks random is for people to find. */
const SECRETS: readonly (readonly [string, RegExp])[] = [
  ['a private key', /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/],
  ['a key of a cloud', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b/],
  ['a token of a forge', /\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{40,}|glpat-[0-9A-Za-z_-]{20})\b/],
  ['a token of a registry', /\bnpm_[0-9A-Za-z]{36}\b|_authToken\s*=\s*[^\s$]|\/\/[^\s/]+\/:_(?:password|auth)\s*=/],
  ['a token of a chat', /\bxox[abprs]-[0-9A-Za-z-]{10,}/],
  ['a signed token', /\beyJ[0-9A-Za-z_-]{20,}\.eyJ[0-9A-Za-z_-]{20,}\.[0-9A-Za-z_-]{20,}/],
];

/** Files that may hold one of them, with the reason. None. */
export const EXCEPTED: Readonly<Record<string, string>> = {};

/** No source is larger; what is larger is looked at up to here. */
const FILE_LOOK = 4 * 1024 * 1024;

export interface Audit {
  readonly packages: number;
  readonly files: number;
  /** One line each, empty where all is well. */
  readonly problems: readonly string[];
}

export function audit(root: string): Audit {
  const lock = readJson(join(root, 'package-lock.json'));
  const manifest = readJson(join(root, 'package.json'));
  const packages = Object.entries(object(lock['packages'])).filter(([path]) => path !== '');
  const files = repositoryFiles(root);
  return {
    packages: packages.length,
    files: files.length,
    problems: [
      ...(packages.length === 0 ? ['package-lock.json: no packages in it'] : []),
      ...addresses(lock, ''),
      ...manifestProblems(manifest),
      ...packages.flatMap(([path, entry]) => packageProblems(path, object(entry), object(manifest['allowScripts']))),
      ...files.flatMap(file => fileProblems(root, file)),
    ],
  };
}

/** The pages where packages ask for funding are the only addresses; that of a registry would bind us to it. */
function addresses(value: unknown, path: string): string[] {
  if (typeof value === 'string') return value.includes('://') ? [`package-lock.json: an address in ${path}`] : [];
  return Object.entries(object(value))
    .filter(([key]) => key !== 'funding')
    .flatMap(([key, inner]) => addresses(inner, key));
}

function manifestProblems(manifest: Record<string, unknown>): string[] {
  return ['dependencies', 'devDependencies', 'overrides', 'optionalDependencies', 'peerDependencies'].flatMap(group =>
    Object.entries(object(manifest[group]))
      .filter(([, range]) => typeof range !== 'string' || !RANGE.test(range))
      .map(([name, range]) => `package.json: ${name} comes from ${JSON.stringify(range)}, not from a registry`),
  );
}

function packageProblems(
  path: string,
  entry: Record<string, unknown>,
  allowScripts: Record<string, unknown>,
): string[] {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const { version, integrity, license, hasInstallScript, resolved, link } = entry;
  const problems: string[] = [];
  const note = (text: string) => problems.push(`${path}: ${text}`);
  if (!path.startsWith('node_modules/') || link !== undefined) note('not from a registry');
  if (resolved !== undefined) note(`names where it came from: ${String(resolved)}`);
  if (typeof version !== 'string' || !VERSION.test(version)) note(`no plain version: ${String(version)}`);
  if (typeof integrity !== 'string' || !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) note('no checksum');
  if (typeof license !== 'string' || !LICENCES.has(license)) note(`licence ${String(license)} is not on our list`);
  if (hasInstallScript === true && !Object.hasOwn(allowScripts, name)) {
    note('runs a script when it is installed, and nobody has said whether it may');
  }
  for (const { id, what, fixedIn } of ADVISORIES.filter(one => one.package === name)) {
    if (!isFixed(String(version), fixedIn)) note(`${id} (${what}): mended in ${fixedIn.join(', ')}`);
  }
  return problems;
}

/** At least the mended one of its own line, or above all lines. */
function isFixed(version: string, fixedIn: readonly string[]): boolean {
  const own = fixedIn.find(fixed => fixed.split('.')[0] === version.split('.')[0]);
  if (own !== undefined) return compare(version, own) >= 0;
  return fixedIn.every(fixed => compare(version, fixed) > 0);
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map(text => text.split(/[.-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  // A preliminary version is before the one it leads to.
  return Number(b.includes('-')) - Number(a.includes('-'));
}

function fileProblems(root: string, file: string): string[] {
  if (Object.hasOwn(EXCEPTED, file)) return [];
  const path = join(root, file);
  // Tracked and taken away, or a link to a folder.
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return [];
  const text = readFileSync(path, 'latin1').slice(0, FILE_LOOK);
  return SECRETS.filter(([, form]) => form.test(text)).map(([what]) => `${file}: ${what}`);
}

/** What is, or would be, in the repository; without git everything but what was installed. */
function repositoryFiles(root: string): string[] {
  try {
    const args = ['-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const said = execFileSync('git', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 2 ** 26,
    });
    return [...new Set(said.split('\0').filter(file => file !== ''))];
  } catch {
    const entries = readdirSync(root, { withFileTypes: true, recursive: true });
    return entries
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(root.length + 1))
      .filter(file => !/^(?:node_modules|data|\.git)\//.test(file));
  }
}

function readJson(path: string): Record<string, unknown> {
  return object(JSON.parse(readFileSync(path, 'utf8')));
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
