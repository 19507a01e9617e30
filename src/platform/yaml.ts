// YAML that knows where everything stands, so that settings and rules can say file, line and column.
// YAML 1.2 core schema, no aliases beyond a small number (billion laughs), no duplicate keys, one document a file.
// Whatever is wrong with the text comes out as BadFile, never as another error.

import {
  type Alias,
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLMap,
  type YAMLParseError,
  type YAMLWarning,
} from 'yaml';
import { BadFile, type Problem } from './problem.ts';

export type YamlPath = readonly (string | number)[];

export interface YamlFile {
  readonly file: string;
  /** Plain objects, arrays, strings, numbers, booleans, null. Never a cycle. */
  readonly value: unknown;
  /** A problem at the value of `path`, or at its key; at the nearest place above where there is none. */
  problem(path: YamlPath, where: 'key' | 'value', message: string, hint?: string): Problem;
}

/** Larger files are refused: nobody writes settings or rules of that size by hand. */
export const YAML_MAX_BYTES = 4 * 1024 * 1024;

/** Places of a file that may point at another one. A person needs a few; a billion laughs needs them by the dozen. */
export const YAML_MAX_ALIASES = 20;

const TWICE = 'a key may stand only once: join the two';

/** Collections and keys above a collection: whoever reads the value may call itself for each. */
export const YAML_MAX_DEPTH = 100;

/** Where something stands and what is wrong there: offsets are UTF-16 units from the start of the text. */
interface Complaint {
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** Reads YAML; bytes are taken as UTF-8. Throws BadFile when it is none. */
export function parseYaml(file: string, raw: string | Uint8Array): YamlFile {
  const text = (typeof raw === 'string' ? raw : decode(file, raw)).replace(/^\ufeff/, '');
  const lines = text.split('\n').map(line => line.replace(/\r$/, ''));
  const counter = new LineCounter();
  const at = ({ offset, message, hint }: Complaint): Problem => {
    const { line, col } = counter.linePos(offset);
    const source = lines[Math.max(1, line) - 1] ?? '';
    const column = [...source.slice(0, Math.max(0, col - 1))].length + 1;
    return { file, line: Math.max(1, line), column, message, hint, source };
  };
  if (Buffer.byteLength(text) > YAML_MAX_BYTES) {
    const message = `the file is larger than ${YAML_MAX_BYTES} bytes`;
    throw new BadFile([at({ offset: 0, message, hint: 'split it into several files' })]);
  }
  const document = read(text, counter, complaints => new BadFile(complaints.map(at)));
  return {
    file,
    value: document.value,
    problem: (path, where, message, hint = '') =>
      at({ offset: offsetOf(document.contents, path, where), message, hint }),
  };
}

function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const message = 'the file is not UTF-8 text';
    throw new BadFile([{ file, line: 1, column: 1, message, hint: 'save it as UTF-8', source: '' }]);
  }
}

function read(text: string, lineCounter: LineCounter, bad: (complaints: readonly Complaint[]) => BadFile) {
  const options = { lineCounter, uniqueKeys: false, prettyErrors: false, logLevel: 'error' } as const;
  const document = orBad(bad, () => parseDocument(text, options));
  // What the parser only warns of (an unknown tag, an anchor that ends in a colon) would be read as something else
  // than its writer meant.
  const told = [...document.errors, ...document.warnings].map(error =>
    syntaxComplaint(error, document, { text, lineCounter }),
  );
  if (told.length > 0) throw bad(onePerLine(told, text));
  const found = orBad(bad, () => complaintsOf(document));
  if (found.length > 0) throw bad(found);
  const value: unknown = orBad(bad, () => document.toJS({ maxAliasCount: YAML_MAX_ALIASES }));
  return { value, contents: document.contents };
}

/** One mistake often makes the parser stumble twice in a line; the first says it. */
function onePerLine(complaints: readonly Complaint[], text: string): Complaint[] {
  const seen = new Set<number>();
  return complaints.filter(({ offset }) => {
    const lineStart = text.lastIndexOf('\n', Math.max(0, offset - 1));
    const isFirst = !seen.has(lineStart);
    seen.add(lineStart);
    return isFirst;
  });
}

function syntaxComplaint(error: YAMLParseError | YAMLWarning, document: Document, source: Source): Complaint {
  const { code, message } = error;
  const { text } = source;
  // A quote that is never closed is noticed at the end of the file: the place to look is where it opens.
  const offset = code === 'MISSING_CHAR' ? quoteBefore(document, error.pos[0]) : error.pos[0];
  const line = text.slice(text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1).split('\n', 1)[0] ?? '';
  if (/call stack|stack overflow/i.test(message)) return { offset, message: 'nested too deep', hint: '' };
  const said = code === 'MULTIPLE_DOCS' ? 'more than one document in the file' : `not valid YAML: ${message}`;
  const deeper = code === 'BLOCK_AS_IMPLICIT_KEY' ? deeperBelow(source, offset) : '';
  return {
    offset,
    message: said,
    hint: deeper === '' ? yamlHint(code, line) : `${deeper}; or: ${yamlHint(code, line)}`,
  };
}

/** Comments and empty lines between two entries that are looked past: who errs on purpose must not keep us reading. */
const LINES_BETWEEN_MAX = 50;

/** An entry below a plain value that starts further right is read as a part of the value: the parser complains of that. */
function deeperBelow({ text, lineCounter }: Source, offset: number): string {
  const upper = lineAt(text, text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1);
  let lower = lineAt(text, upper.end + 1);
  for (let i = 0; i < LINES_BETWEEN_MAX && lower.end < text.length && /^\s*(?:#.*)?$/.test(lower.line); i++) {
    lower = lineAt(text, lower.end + 1);
  }
  if (columnOf(lower.line) <= columnOf(upper.line)) return '';
  const [first, second] = [upper, lower].map(({ start }) => lineCounter.linePos(start).line);
  return `line ${second} is indented deeper than line ${first}: entries that belong together start in the same column`;
}

interface Source {
  readonly text: string;
  readonly lineCounter: LineCounter;
}

function lineAt(text: string, start: number): { line: string; start: number; end: number } {
  const found = text.indexOf('\n', start);
  const end = found === -1 ? text.length : found;
  return { line: text.slice(start, end), start, end };
}

/** Of the first word of an entry; behind the dash of a list. */
function columnOf(line: string): number {
  return /^\s*(?:- +)*/.exec(line)?.[0].length ?? 0;
}

function quoteBefore(document: Document, end: number): number {
  let offset = end;
  visit(document, {
    Scalar: (_, scalar) => {
      const [from = end, to = end] = scalar.range ?? [];
      if ((scalar.type === 'QUOTE_DOUBLE' || scalar.type === 'QUOTE_SINGLE') && from < end && to >= end - 1)
        offset = from;
    },
  });
  return offset;
}

/** The parser calls itself for each level and counts what aliases stand for: it throws where a file has too much of either. */
function orBad<T>(bad: (complaints: readonly Complaint[]) => BadFile, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isDeep = error instanceof RangeError;
    const message = isDeep ? 'nested too deep' : 'too many aliases (*name) within aliases';
    throw bad([{ offset: 0, message, hint: isDeep ? '' : 'write the text out' }]);
  }
}

/** What is YAML but has no place in a file of ours: it would be read as something else than it looks. */
function complaintsOf(document: Document.Parsed<ParsedNode>): Complaint[] {
  const found: Complaint[] = [];
  const isDeep = (node: Node, ancestors: number): boolean => {
    if (ancestors > YAML_MAX_DEPTH) found.push({ offset: start(node), message: 'nested too deep', hint: '' });
    return ancestors > YAML_MAX_DEPTH;
  };
  let aliases = 0;
  visit(document, {
    Alias: (_, alias, path) => {
      aliases++;
      found.push(...aliasComplaints(alias, { document, path, count: aliases }));
    },
    Seq: (_, list, path) => (isDeep(list, path.length) ? visit.BREAK : undefined),
    Map: (_, map, path) => {
      found.push(...keyComplaints(map));
      return isDeep(map, path.length) ? visit.BREAK : undefined;
    },
  });
  return found;
}

interface AliasPlace {
  readonly document: Document.Parsed<ParsedNode>;
  readonly path: readonly unknown[];
  /** The how manieth alias of the file. */
  readonly count: number;
}

function aliasComplaints(alias: Alias, { document, path, count }: AliasPlace): Complaint[] {
  const offset = start(alias);
  const target = alias.resolve(document);
  const hint = `put the word in quotes if a literal * is meant: "*${alias.source}"`;
  if (target === undefined) return [{ offset, message: `no anchor &${alias.source} before this alias`, hint }];
  if (path.includes(target)) return [{ offset, message: 'an alias within its own anchor', hint: '' }];
  if (count !== YAML_MAX_ALIASES + 1) return [];
  return [{ offset, message: `more than ${YAML_MAX_ALIASES} aliases (*name)`, hint: 'write the text out' }];
}

function keyComplaints(map: YAMLMap): Complaint[] {
  const seen = new Set<string>();
  return map.items.flatMap(({ key }) => {
    const offset = isNode(key) ? start(key) : start(map);
    if (!isScalar(key)) return [{ offset, message: 'a key must be a plain word', hint: '' }];
    const isTwice = seen.has(keyText(key.value));
    seen.add(keyText(key.value));
    return isTwice ? [{ offset, message: 'this key stands twice', hint: TWICE }] : [];
  });
}

function yamlHint(code: string, line: string): string {
  if (/^\s*\t/.test(line) || code === 'TAB_AS_INDENT') return 'indent with spaces, YAML does not allow tabs';
  if (code === 'BAD_INDENT') return 'entries that belong together start in the same column';
  if (code === 'MULTIPLE_DOCS') return 'one document a file: take the line --- away';
  if (code === 'TAG_RESOLVE_FAILED') return 'a value that starts with ! must stand in quotes';
  if (code === 'BAD_SCALAR_START') return 'put the value in quotes';
  if (code === 'BAD_DQ_ESCAPE') return 'within single quotes a backslash stands for itself';
  if (/\[[0-9a-f:.]*:[0-9a-f:.]*\]:\d/i.test(line)) return 'an IPv6 address must stand in quotes: "[::1]:25"';
  if (/^\s*(?:- )?[*&]/.test(line) || code === 'BAD_ALIAS')
    return 'a word that starts with * or & must stand in quotes: "*"';
  if (code === 'BLOCK_AS_IMPLICIT_KEY')
    return 'a value with a colon and a space in it must stand in quotes; is a line break missing?';
  if (code === 'MULTILINE_IMPLICIT_KEY' || code === 'MISSING_CHAR') return 'is a quote, colon or bracket missing?';
  return '';
}

function offsetOf(root: unknown, path: YamlPath, where: 'key' | 'value'): number {
  let node: unknown = root;
  let offset = isNode(node) ? start(node) : 0;
  path.forEach((step, i) => {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isPair(item) && isScalar(item.key) && keyText(item.key.value) === String(step),
      );
      if (pair === undefined) {
        node = null;
        return;
      }
      const isLast = i === path.length - 1;
      const key = isNode(pair.key) ? start(pair.key) : offset;
      const value = isWritten(pair.value) ? start(pair.value) : key;
      offset = isLast && where === 'key' ? key : value;
      node = pair.value;
    } else if (isNode(node) && 'items' in node && Array.isArray(node.items)) {
      node = node.items[Number(step)];
      if (isWritten(node)) offset = start(node);
    }
  });
  return offset;
}

/** `key:` without a value has a node at the end of nowhere: the key is the better place to point at. */
function isWritten(node: unknown): node is Node {
  return isNode(node) && !(isScalar(node) && node.value === null && (node.source ?? '') === '');
}

/** As `toJS` names a key. */
function keyText(key: unknown): string {
  return key === null ? '' : String(key);
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}
