// Where a setting stands, for faults that only show when it is used: a port that is taken, a key file without a key.
// Called by the parts of the start; reads the file once more, for settings know nothing of lines.

import { readFileSync } from 'node:fs';

import type { Problem } from '../platform/problem.ts';
import { parseYaml, type YamlPath } from '../platform/yaml.ts';
import { keyText, maskUrls, valueAt } from './problems.ts';

/** A problem at the value of `path`; where the setting is a default, or the file has gone, at the file itself. */
export function problemAt(file: string, path: YamlPath, { message, hint }: Pick<Problem, 'message' | 'hint'>): Problem {
  const said = `${keyText(path)}: ${message}`;
  try {
    const yaml = parseYaml(file, readFileSync(file));
    if (valueAt(yaml.value, path) !== undefined) {
      const problem = yaml.problem(path, 'value', said, hint);
      return { ...problem, source: maskUrls(problem.source) };
    }
  } catch {
    // It was right when it was loaded: whatever has become of it is told when it is loaded again.
  }
  return { file, line: 1, column: 1, message: said, hint, source: '' };
}
