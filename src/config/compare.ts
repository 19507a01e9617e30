// What a reload may do: which settings have changed, which of them take effect at once, and which wait for a restart.
// Called by the reload command; the table says what is live.

import { isDeepStrictEqual } from 'node:util';

import { z } from 'zod';

import { aboutOf, bare } from './kinds.ts';
import type { Settings } from './settings.ts';
import { table } from './table.ts';

export interface Comparison {
  /** Keys that take effect by a reload: `domains.example.org`, `limits.messageSize`. */
  readonly live: readonly string[];
  /** Keys that wait for a restart. */
  readonly restart: readonly string[];
  /** What holds after the reload: the new settings, with the old values of what needs a restart. */
  readonly effective: Settings;
}

/** Neither of the two is changed. */
export function compareSettings(old: Settings, next: Settings): Comparison {
  const live: string[] = [];
  const restart: string[] = [];
  const effective = merge(table, { old, next, path: '' }, (key, isLive) => (isLive ? live : restart).push(key));
  // Not a key of the file: it goes with domains and outgoing, which are live.
  return { live, restart, effective: { ...(effective as Settings), file: next.file, isDemo: next.isDemo } };
}

interface Pair {
  readonly old: unknown;
  readonly next: unknown;
  readonly path: string;
}

/** The settings have the table's shape down to the rows: groups are walked, a row is compared as a whole. */
function merge(
  schema: z.core.$ZodType,
  { old, next, path }: Pair,
  tell: (key: string, isLive: boolean) => void,
): unknown {
  const form = bare(schema);
  const isRow = aboutOf(schema)?.live !== undefined || !(form instanceof z.ZodObject) || old === null || next === null;
  if (!isRow && isRecord(old) && isRecord(next)) {
    return Object.fromEntries(
      Object.entries(form.shape).map(([key, child]) => {
        const at = path === '' ? key : `${path}.${key}`;
        return [key, merge(child, { old: old[key], next: next[key], path: at }, tell)];
      }),
    );
  }
  const isLive = aboutOf(schema)?.live === true;
  for (const key of changed(old, next, path)) tell(key, isLive);
  return isLive ? next : old;
}

function changed(old: unknown, next: unknown, path: string): string[] {
  if (isDeepStrictEqual(old, next)) return [];
  if (!(old instanceof Map) || !(next instanceof Map)) return [path];
  const keys = new Set([...old.keys(), ...next.keys()]);
  return [...keys].filter(key => !isDeepStrictEqual(old.get(key), next.get(key))).map(key => `${path}.${key}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
