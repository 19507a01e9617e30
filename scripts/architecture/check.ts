// Holds the source to the table of architecture/table.ts. Called by test/architecture.test.ts, which also plants a
// breach of every rule to see that it is found. Type-only imports count: they tie rooms together as well.

import { isBuiltin } from 'node:module';

import { type Import, readSource, type SourceFile } from './source.ts';
import {
  ALLOWED,
  ENTRIES,
  FILE_LINES_MAX,
  GENERATORS,
  GUARDED,
  HARMLESS,
  MAIL_MAY,
  MEETING_ROOMS,
  OWNERS,
  ROOMS,
} from './table.ts';

export interface Breach {
  readonly rule: 'room' | 'entry' | 'package' | 'guarded' | 'pure' | 'detour' | 'cycle' | 'size' | 'reach' | 'place';
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface Findings {
  /** How many files were read: a check that sees nothing finds nothing. */
  readonly files: number;
  readonly imports: number;
  readonly breaches: readonly Breach[];
}

/** `packages` are the names that package.json has under dependencies. */
export function checkArchitecture(root: string, packages: readonly string[]): Findings {
  const source = readSource(root);
  const breaches = [
    ...source.flatMap(file => checkFile(file, packages)),
    ...checkAllowed(source),
    ...checkCycles(source),
    ...checkReach(source),
  ];
  return { files: source.length, imports: source.reduce((sum, file) => sum + file.imports.length, 0), breaches };
}

/** As a compiler says it: `src/rules/match.ts:7: …`. */
export function breachText({ rule, file, line, message }: Breach): string {
  return `${file}:${line}: ${message} (${rule})`;
}

function checkFile(file: SourceFile, packages: readonly string[]): readonly Breach[] {
  const breaches: Breach[] = [];
  const report = (rule: Breach['rule'], line: number, message: string) =>
    breaches.push({ rule, file: file.path, line, message });
  const room = roomOf(file.path);
  if (room === null) report('place', 1, 'belongs to no room of scripts/architecture/table.ts');
  if (file.lines > FILE_LINES_MAX) report('size', file.lines, `${file.lines} lines, ${FILE_LINES_MAX} are allowed`);
  for (const { what, line } of file.detours) report('detour', line, `${what} cannot be checked against the table`);
  for (const taken of file.imports) {
    const [rule, message] = judge(file.path, room ?? '', taken, packages) ?? [];
    if (rule !== undefined && message !== undefined) report(rule, taken.line, message);
  }
  return breaches;
}

function judge(
  path: string,
  room: string,
  { target, names }: Import,
  packages: readonly string[],
): readonly [Breach['rule'], string] | null {
  if (target.startsWith('src/') || target.startsWith('.') || target.endsWith('.ts')) {
    return judgeOwn(room, target);
  }
  if (room === 'mail' && !(MAIL_MAY[path] ?? []).includes(target)) {
    return ['pure', `src/mail is pure and may not import ${target}`];
  }
  const name = isBuiltin(target) ? target : packageOf(target);
  const owner = OWNERS[name];
  if (owner !== undefined && owner !== room) return ['package', `${name} belongs to src/${owner}`];
  if (!isBuiltin(target)) {
    if (owner === undefined) return ['package', `${name} has no owner in scripts/architecture/table.ts`];
    return packages.includes(name) ? null : ['package', `${name} is not a dependency in package.json`];
  }
  return judgeBuiltin(path, target.startsWith('node:') ? target : `node:${target}`, names);
}

function judgeOwn(room: string, target: string): readonly [Breach['rule'], string] | null {
  const mayAll = room === 'entry' || isMeetingRoom(room);
  if (isEntry(target)) return mayAll && target !== ENTRIES[0] ? null : ['entry', `nobody imports ${target}`];
  const there = roomOf(target);
  if (there === null) return ['room', `${target} lies outside of the rooms of src`];
  if (mayAll || there === room) return null;
  const may: readonly string[] = isRoom(room) ? ROOMS[room] : [];
  if (may.includes(there)) return null;
  return ['room', `src/${room} may import ${may.length === 0 ? 'no other room' : may.join(', ')}, not ${target}`];
}

function judgeBuiltin(
  path: string,
  name: string,
  names: readonly string[] | null,
): readonly [Breach['rule'], string] | null {
  if (!GUARDED.includes(name) || ALLOWED[path]?.modules.includes(name) === true) return null;
  const harmless = HARMLESS[name] ?? [];
  if (names?.every(taken => harmless.includes(taken)) === true) return null;
  return ['guarded', `${name} is for the files named in scripts/architecture/table.ts`];
}

/** A permission that nobody uses would let a later import pass unseen. */
function checkAllowed(source: readonly SourceFile[]): readonly Breach[] {
  return Object.entries(ALLOWED).flatMap(([path, { modules }]) => {
    const used = source.find(file => file.path === path)?.imports.map(taken => taken.target) ?? [];
    return modules
      .filter(name => !used.includes(name))
      .map(name => ({
        rule: 'guarded' as const,
        file: path,
        line: 1,
        message: `is allowed ${name} and does not use it`,
      }));
  });
}

/** Circles of imports, each told once, by a walk that remembers the road. */
function checkCycles(source: readonly SourceFile[]): readonly Breach[] {
  const edges = edgesOf(source, 'import');
  const breaches: Breach[] = [];
  const done = new Set<string>();
  const walk = (path: string, road: readonly string[]): void => {
    const at = road.indexOf(path);
    if (at !== -1) {
      const circle = [...road.slice(at), path].join(' -> ');
      breaches.push({ rule: 'cycle', file: path, line: 1, message: `imports itself: ${circle}` });
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...road, path]);
    done.add(path);
  };
  for (const { path } of source) walk(path, []);
  return breaches;
}

/** What no entry leads to is dead, or is used by tests alone. */
function checkReach(source: readonly SourceFile[]): readonly Breach[] {
  const start = ENTRIES[0];
  if (!source.some(({ path }) => path === start)) {
    return [{ rule: 'reach', file: start, line: 1, message: 'is missing: the program starts here' }];
  }
  const edges = edgesOf(source, 'all');
  const reached = new Set<string>();
  const waiting: string[] = [...ENTRIES, ...GENERATORS];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    waiting.push(...(edges.get(path) ?? []));
  }
  return source
    .filter(({ path }) => !reached.has(path) && !path.endsWith('.d.ts'))
    .map(({ path }) => ({ rule: 'reach', file: path, line: 1, message: 'is reached from no entry of the program' }));
}

function edgesOf(source: readonly SourceFile[], kinds: 'import' | 'all'): ReadonlyMap<string, readonly string[]> {
  const wanted = (taken: Import) => kinds === 'all' || taken.kind === kinds;
  return new Map(source.map(({ path, imports }) => [path, imports.filter(wanted).map(({ target }) => target)]));
}

/** The folder below src, `entry` for main.ts and thread.ts, null for what has no place. */
function roomOf(path: string): string | null {
  const [top, folder, ...rest] = path.split('/');
  if (top !== 'src' || folder === undefined) return null;
  if (rest.length === 0) return isEntry(path) ? 'entry' : null;
  return isRoom(folder) || isMeetingRoom(folder) ? folder : null;
}

function isEntry(path: string): boolean {
  return (ENTRIES as readonly string[]).includes(path);
}

function isMeetingRoom(name: string): boolean {
  return (MEETING_ROOMS as readonly string[]).includes(name);
}

function isRoom(name: string): name is keyof typeof ROOMS {
  return Object.hasOwn(ROOMS, name);
}

/** `@scope/name/lib/x` is of `@scope/name`, `name/lib/x` of `name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
