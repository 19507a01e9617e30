// Reads past misspelt keys, as they were probably meant: what stands below them is looked at in the same run, and nobody
// mends a file twice. Only for finding problems: a file with any of them is refused. Called by load.ts.

import type { YamlFile, YamlPath } from '../platform/yaml.ts';
import { type Fault, faultsOf } from './problems.ts';
import { type Parsed, table } from './table.ts';

/** A misspelt key within a misspelt group, and one more. */
const ROUNDS_MAX = 4;

export interface Read {
  readonly faults: readonly Fault[];
  /** With the keys as they were meant, and without those that are none; its problems point at what is written. */
  readonly yaml: YamlFile;
  /** Where there is no other fault than unknown keys: all of it has been read. */
  readonly parsed: Parsed | null;
}

export function readPastUnknown(written: YamlFile): Read {
  const unknown: Fault[] = [];
  let yaml = written;
  let faults: readonly Fault[] = [];
  let parsed: Parsed | null = null;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const read = table.safeParse(yaml.value ?? {});
    parsed = read.success ? read.data : null;
    faults = read.success ? [] : faultsOf(read.error.issues, yaml);
    const fresh = faults.filter(fault => fault.isUnknown === true);
    if (fresh.length === 0) break;
    unknown.push(...fresh);
    yaml = respelt(yaml, fresh);
  }
  return { faults: [...unknown, ...faults.filter(fault => fault.isUnknown !== true)], yaml, parsed };
}

interface Rename {
  readonly parent: YamlPath;
  readonly written: string;
  readonly meant: string;
}

function respelt(yaml: YamlFile, unknown: readonly Fault[]): YamlFile {
  const value = structuredClone(yaml.value);
  const renames: Rename[] = [];
  for (const { path, meant } of unknown) {
    const [parent, written] = [path.slice(0, -1), String(path.at(-1))];
    const group = groupAt(value, parent);
    if (group === null) continue;
    if (meant !== undefined && !Object.hasOwn(group, meant)) {
      group[meant] = group[written];
      renames.push({ parent, written, meant });
    }
    delete group[written];
  }
  return {
    file: yaml.file,
    value,
    problem: (path, where, message, hint) => yaml.problem(asWritten(path, renames), where, message, hint),
  };
}

function groupAt(value: unknown, path: YamlPath): Record<string, unknown> | null {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return null;
    at = (at as Record<string | number, unknown>)[step];
  }
  return typeof at === 'object' && at !== null ? (at as Record<string, unknown>) : null;
}

function asWritten(path: YamlPath, renames: readonly Rename[]): YamlPath {
  const renamed = renames.find(
    ({ parent, meant }) => path[parent.length] === meant && parent.every((step, i) => String(path[i]) === String(step)),
  );
  if (renamed === undefined) return path;
  return [...renamed.parent, renamed.written, ...path.slice(renamed.parent.length + 1)];
}
