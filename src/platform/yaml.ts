// YAML that knows where everything stands, so that settings and rules can say file, line and column.
// YAML 1.2 core schema, no aliases beyond a small number (billion laughs), no duplicate keys, one document a file.

import { isMap, isNode, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { BadFile, type Problem } from './problem.ts';

export type YamlPath = readonly (string | number)[];

export interface YamlFile {
  readonly file: string;
  /** Plain objects, arrays, strings, numbers, booleans, null. */
  readonly value: unknown;
  /** A problem at the value of `path`, or at its key; at the nearest place above where there is none. */
  problem(path: YamlPath, where: 'key' | 'value', message: string, hint?: string): Problem;
}

/** Larger files are refused: nobody writes settings or rules of that size by hand. */
export const YAML_MAX_BYTES = 4 * 1024 * 1024;

/** Throws BadFile when the text is no YAML. */
export function parseYaml(file: string, text: string): YamlFile {
  const lines = text.split('\n');
  const at = (line: number, column: number, message: string, hint = ''): Problem => ({
    file,
    line,
    column,
    message,
    hint,
    source: (lines[line - 1] ?? '').replace(/\r$/, ''),
  });
  if (Buffer.byteLength(text) > YAML_MAX_BYTES) {
    throw new BadFile([at(1, 1, `the file is larger than ${YAML_MAX_BYTES} bytes`, 'split it into several files')]);
  }
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: false });
  const position = (offset: number) => counter.linePos(offset);
  if (document.errors.length > 0) {
    throw new BadFile(
      document.errors.slice(0, 10).map(error => {
        const { line, col } = position(error.pos[0]);
        return at(
          Math.max(1, line),
          Math.max(1, col),
          `not valid YAML: ${error.message}`,
          yamlHint(error.code, lines[line - 1]),
        );
      }),
    );
  }
  return {
    file,
    value: document.toJS({ maxAliasCount: 20 }),
    problem: (path, where, message, hint) => {
      const { line, col } = position(offsetOf(document.contents, path, where));
      return at(Math.max(1, line), Math.max(1, col), message, hint);
    },
  };
}

function yamlHint(code: string, line: string | undefined): string {
  if (line?.startsWith('\t') === true || code === 'TAB_AS_INDENT')
    return 'indent with spaces, YAML does not allow tabs';
  if (code === 'DUPLICATE_KEY') return 'a key may stand only once: join the two';
  if (code === 'MULTILINE_IMPLICIT_KEY' || code === 'MISSING_CHAR') return 'is a quote, colon or bracket missing?';
  if (code === 'BAD_INDENT') return 'entries that belong together start in the same column';
  return '';
}

function offsetOf(root: unknown, path: YamlPath, where: 'key' | 'value'): number {
  let node: unknown = root;
  let offset = isNode(node) ? start(node) : 0;
  path.forEach((step, i) => {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return;
      const isLast = i === path.length - 1;
      const key = isNode(pair.key) ? start(pair.key) : offset;
      const value = isNode(pair.value) ? start(pair.value) : key;
      offset = isLast && where === 'key' ? key : value;
      node = pair.value;
    } else if (isNode(node) && 'items' in node && Array.isArray(node.items)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = start(node);
    }
  });
  return offset;
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}
