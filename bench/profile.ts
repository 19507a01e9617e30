// Where Postern's CPU time goes (`--profile`): CPU profiles of all its threads, summed by room: a folder of src, a package,
// Node's own code, the garbage collector, native code. What a builtin or a regular expression takes is its caller's.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { sum } from './figures.ts';
import { table } from './report.ts';

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Ids of nodes, a sample each. */
  readonly samples: readonly number[];
  /** Microseconds from the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface ThreadProfile {
  readonly thread: string;
  /** Milliseconds by room; waiting is left out. */
  readonly rooms: Readonly<Record<string, number>>;
  /** The same by function: `function file:line`. */
  readonly functions: Readonly<Record<string, number>>;
}

const TOP_FUNCTIONS = 25;
const SPECIAL: Readonly<Record<string, string>> = {
  '(garbage collector)': 'garbage collector',
  // Native code that runs for no JavaScript function: the event loop, system calls, compiling.
  '(program)': 'native and system calls',
  '(root)': 'native and system calls',
};
/** The threads are known by what runs on them alone. */
const THREADS: readonly (readonly [string, string])[] = [
  ['/src/cli/main.ts', 'main'],
  ['/src/thread.ts', 'expand'],
  ['/src/scanners/sender-auth/thread.ts', 'sender-auth'],
  ['/src/store/thread.ts', 'store'],
];

const special = (name: string) => (Object.hasOwn(SPECIAL, name) ? (SPECIAL[name] ?? null) : null);

/** Samples that wait are no work. */
const isIdle = (name: string) => name === '(idle)';

export function profileEnvironment(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  const preload = join(import.meta.dirname, 'profiler.ts');
  return { BENCH_PROFILES: folder, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim() };
}

/** Threads of the same kind are summed. */
export function readProfiles(folder: string): ThreadProfile[] {
  if (!existsSync(folder)) return [];
  const found = new Map<string, ThreadProfile>();
  for (const file of readdirSync(folder).filter(name => name.endsWith('.cpuprofile'))) {
    const isMain = file === '0.cpuprofile';
    const profile: CpuProfile = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const thread = isMain ? 'main' : threadOf(profile);
    const { rooms, functions } = sumProfile(profile);
    const before = found.get(thread);
    found.set(thread, {
      thread,
      rooms: added(before?.rooms ?? {}, rooms),
      functions: added(before?.functions ?? {}, functions),
    });
  }
  return [...found.values()];
}

export function sumProfile(profile: CpuProfile): Omit<ThreadProfile, 'thread'> {
  const selfMs = new Map<number, number>();
  for (const [n, id] of profile.samples.entries()) {
    // The time of a sample lasts until the next one.
    selfMs.set(id, (selfMs.get(id) ?? 0) + Math.max(0, profile.timeDeltas[n + 1] ?? 0) / 1000);
  }
  const byId = new Map(profile.nodes.map(node => [node.id, node]));
  const rooms: Record<string, number> = {};
  const functions: Record<string, number> = {};
  const [root] = profile.nodes;
  const waiting = root === undefined ? [] : [{ node: root, caller: 'native and system calls', named: '' }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, caller, named } = next;
    const { functionName, url, lineNumber } = node.callFrame;
    const room = special(functionName) ?? (url === '' ? caller : roomOf(url));
    const name = url === '' && named !== '' && special(functionName) === null ? named : nameOf(node);
    const ms = selfMs.get(node.id) ?? 0;
    if (ms > 0 && !isIdle(functionName)) {
      rooms[room] = (rooms[room] ?? 0) + ms;
      const place = url === '' ? `${functionName} < ${name}` : `${functionName} ${shortened(url)}:${lineNumber + 1}`;
      functions[place] = (functions[place] ?? 0) + ms;
    }
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child !== undefined) waiting.push({ node: child, caller: room, named: url === '' ? named : nameOf(node) });
    }
  }
  return { rooms, functions };
}

export function roomOf(url: string): string {
  if (url.startsWith('node:')) return 'node';
  const inside = /\/node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*\/node_modules\/)/.exec(url)?.[1];
  if (inside !== undefined) return inside;
  const [, room, rest] = /\/src\/([^/]+)(\/.*)?$/.exec(url) ?? [];
  if (room === undefined) return url.includes('/bench/') ? 'bench' : 'other';
  return rest === undefined ? 'src' : `src/${room}`;
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  return url === '' ? functionName : `${functionName} ${shortened(url)}:${lineNumber + 1}`;
}

function shortened(url: string): string {
  return url.replace(/^.*\/(?=(?:src|node_modules)\/)/, '').replace(/^file:\/\//, '');
}

function threadOf(profile: CpuProfile): string {
  const urls = new Set(profile.nodes.map(node => node.callFrame.url));
  const found = THREADS.find(([file]) => [...urls].some(url => url.endsWith(file)));
  return found?.[1] ?? 'other threads';
}

function added(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const result: Record<string, number> = { ...a };
  for (const [name, ms] of Object.entries(b)) result[name] = (result[name] ?? 0) + ms;
  return result;
}

/** Milliseconds a message: rooms down, threads across; then the functions that take most. */
export function profileText(profiles: readonly ThreadProfile[], messages: number): string {
  const each = (ms: number | undefined) => (ms === undefined ? '' : (ms / messages).toFixed(3));
  const all = profiles.map(({ rooms }) => rooms).reduce(added, {});
  const rows = ranked(all).map(([room, ms]) => [room, each(ms), ...profiles.map(({ rooms }) => each(rooms[room]))]);
  const totals = [all, ...profiles.map(({ rooms }) => rooms)].map(rooms => each(sum(Object.values(rooms))));
  const rooms = table(
    // By the clock: on a machine with more work than cores it counts the time in which a thread waited for one.
    ['ms a message', 'all', ...profiles.map(({ thread }) => thread)],
    [...rows, ['all', ...totals]],
  );
  const functions = ranked(profiles.map(profile => profile.functions).reduce(added, {}));
  const top = functions.slice(0, TOP_FUNCTIONS).map(([name, ms]) => [name.slice(0, 110), each(ms)]);
  return `${rooms}\n\n${table(['function, itself', 'ms'], top)}`;
}

function ranked(of: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(of).toSorted(([, a], [, b]) => b - a);
}
