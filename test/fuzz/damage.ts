// JSON as a bad disk, an editor or an older program might leave it: for the fuzz targets of our own files.

import type { Chance } from '../support/chance.ts';

const STRANGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  '',
  'x',
  '\0',
  '\ud800',
  [],
  {},
  [null],
  { a: null },
  'x'.repeat(5000),
];

/** One value somewhere in it becomes another, is taken away, or comes twice. */
export function damaged(value: unknown, luck: Chance): unknown {
  if (typeof value !== 'object' || value === null || luck.below(6) === 0) return luck.pick(STRANGE);
  if (Array.isArray(value)) {
    if (value.length === 0) return [luck.pick(STRANGE)];
    const at = luck.below(value.length);
    const changed = luck.below(4) === 0 ? [] : [damaged(value[at], luck)];
    return [...value.slice(0, at), ...changed, ...value.slice(at + luck.below(2))];
  }
  const keys = Object.keys(value);
  const key =
    keys.length === 0 || luck.below(10) === 0 ? luck.pick(['__proto__', 'constructor', 'extra']) : luck.pick(keys);
  const { [key]: old, ...rest } = value as Record<string, unknown>;
  return luck.below(5) === 0 ? rest : { ...rest, [key]: damaged(old, luck) };
}

/** One character gone wrong, or the end missing. */
export function cutText(text: string, luck: Chance): string {
  const at = luck.below(text.length);
  return luck.below(2) === 0
    ? text.slice(0, at)
    : text.slice(0, at) + luck.pick(['\0', '"', '}', '\\', '{']) + text.slice(at + 1);
}
