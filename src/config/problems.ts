// What is wrong with a settings file, in words for the one who wrote it. Called by load.ts with what zod found; the
// words come from the table, so that a message and the page about a setting say the same.

import { z } from 'zod';

import { nearest, type Problem } from '../platform/problem.ts';
import type { YamlFile, YamlPath } from '../platform/yaml.ts';
import { bare, childOf, expectedOf, nameOf } from './kinds.ts';
import { socketHint } from './network.ts';
import { table } from './table.ts';
import { SCANNERS } from './table-scanners.ts';
import { durationHint, sizeHint } from './units.ts';

/** One thing that is wrong, at a path of the file. */
export interface Fault {
  readonly path: YamlPath;
  readonly problem: Problem;
  /** A key that has to be there is not. */
  readonly missing?: boolean;
  readonly isUnknown?: true;
  /** Of an unknown key: the one that was probably meant. */
  readonly meant?: string;
}

type Issue = z.core.$ZodIssue;

export function faultsOf(issues: readonly Issue[], yaml: YamlFile): readonly Fault[] {
  const all = issues.flatMap(issue => faults(issue, yaml));
  // Who misspelt a key has not left it out as well.
  return all.filter(({ path, missing }) => missing !== true || !all.some(other => isMisspelt(other, path)));
}

function isMisspelt({ path, meant }: Fault, missing: YamlPath): boolean {
  return meant !== undefined && keyText([...path.slice(0, -1), meant]) === keyText(missing);
}

/** Keys of the rule files, which lie near the settings. */
const RULE_KEYS = ['rules', 'groups', 'scores'];

/** A file of another kind, told by its keys: none of several is a setting or is like one. null for any other. */
export function noSettings(yaml: YamlFile): Problem | null {
  const { value } = yaml;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const keys = Object.keys(value);
  const known = keysAt([]);
  if (keys.length < 2 || keys.some(key => key === '__proto__' || nearest(key, known) !== null)) return null;
  const [first = ''] = keys;
  const hint = keys.every(key => RULE_KEYS.includes(key))
    ? 'it is a rule file: postern rules lint FOLDER reads those'
    : 'docs/config.md has them all; a settings file begins with hostname, data, listeners and domains';
  return yaml.problem([first], 'key', 'this is no settings file: none of its keys is a setting', hint);
}

/** `__proto__` is a key that would get past every other check: it has no place anywhere. */
export function protoFaults(yaml: YamlFile, value: unknown = yaml.value, path: YamlPath = []): readonly Fault[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key !== '__proto__') return protoFaults(yaml, inner, at);
    return [{ path: at, problem: yaml.problem(at, 'key', 'this name cannot be used here') }];
  });
}

/** Names and passwords in URLs are for no terminal and no log. */
export function maskUrls(text: string): string {
  // Up to the last @ of the word: a password that was not percent-encoded may hold any of `/?#@`.
  return text.replace(/(\b[a-z][a-z+.-]*:\/\/)[^\s"']*@/gi, '$1***@');
}

/** `domains.example.org.nextHop`, `listeners[0].address`. */
export function keyText(path: YamlPath): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

/** A value as a message shows it: short, on one line, no secrets. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    return keys.length === 0
      ? 'an empty group'
      : `keys (${keys.slice(0, 3).join(', ').slice(0, 60)}${keys.length > 3 ? ', …' : ''})`;
  }
  const text = maskUrls(String(value));
  const cut = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return typeof value === 'string' ? JSON.stringify(cut) : cut;
}

function faults(issue: Issue, yaml: YamlFile): Fault[] {
  const path = issue.path.map(step => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.filter(key => key !== '__proto__').map(key => unknownKey(path, key, yaml));
  }
  if (issue.code === 'invalid_union') {
    const inner = chosenOption(issue, valueAt(yaml.value, path), schemaAt(path));
    if (inner !== null) return inner.flatMap(one => faults({ ...one, path: [...path, ...one.path] }, yaml));
  }
  if (issue.code === 'invalid_key') return [badKey(path, issue, yaml)];
  return [badValue(path, issue, yaml)];
}

function unknownKey(path: YamlPath, key: string, yaml: YamlFile): Fault {
  const at = [...path, key];
  const known = keysAt(path);
  const near = nearest(key, known);
  const home = near === null ? homeOf(key) : null;
  const hint =
    near !== null
      ? `did you mean "${near}"?`
      : home !== null
        ? `it belongs in ${home}`
        : `known here: ${known.join(', ')}`;
  const place = path.length === 0 ? '' : ` in ${keyText(path)}`;
  const problem = yaml.problem(at, 'key', `unknown key ${show(key)}${place}`, hint);
  return { path: at, problem, isUnknown: true, ...(near === null ? {} : { meant: near }) };
}

function badKey(path: YamlPath, issue: Extract<Issue, { code: 'invalid_key' }>, yaml: YamlFile): Fault {
  const parent = path.slice(0, -1);
  const record = bare(schemaAt(parent) ?? table);
  const expected = record instanceof z.ZodRecord ? expectedOf(record.keyType) : 'another name';
  const key = String(path.at(-1));
  const message = `${keyText(parent)}: found the name ${show(key)}, expected ${expected}`;
  return { path, problem: yaml.problem(path, 'key', message, keyHint(key, record, issue)) };
}

function keyHint(key: string, record: z.core.$ZodType, issue: Extract<Issue, { code: 'invalid_key' }>): string {
  const isDomain = record === bare(schemaAt(['domains']) ?? table);
  if (isDomain && key.startsWith('*'))
    return 'every domain is named: there is no wildcard, that would be an open relay';
  if (key.includes('@')) return `write only what stands ${isDomain ? 'behind' : 'before'} the @`;
  const near = nameOf(record) === 'SCANNER' ? nearest(key, SCANNERS) : null;
  return near === null ? hintOf(issue.issues[0]) : `did you mean "${near}"?`;
}

function badValue(path: YamlPath, issue: Issue, yaml: YamlFile): Fault {
  const value = valueAt(yaml.value, path);
  const schema = schemaAt(path);
  const expected = schema === null ? 'something else' : expectedOf(schema);
  if (value === undefined) {
    const message = `${keyText(path)} is missing, expected ${expected}`;
    return { path, problem: yaml.problem(path.slice(0, -1), 'key', message), missing: true };
  }
  const message =
    path.length === 0
      ? `found ${show(value)}, expected ${expected.replace(' under it', '')}`
      : `${keyText(path)}: found ${show(value)}, expected ${expected}`;
  const hint = path.length === 0 && typeof value === 'string' ? TOP_HINT : valueHint(value, schema, issue);
  return { path, problem: yaml.problem(path, 'value', message, hint) };
}

/** For whoever writes settings as another program has them. */
const TOP_HINT = 'a setting is written with a colon and a blank: "hostname: mx.example.org"';

function valueHint(value: unknown, schema: z.core.$ZodType | null, issue: Issue): string {
  const told = hintOf(issue);
  if (told !== '') return told;
  const inner = schema === null ? null : bare(schema);
  if (value === null && inner instanceof z.ZodObject) return 'write its keys below it, indented, or take the line away';
  if (value === null) return 'give it a value, or take the line away';
  if (inner instanceof z.ZodEnum) {
    const near = nearest(String(value), inner.options.map(String));
    return near === null ? '' : `did you mean "${near}"?`;
  }
  const expected = schema === null ? '' : expectedOf(schema);
  if (typeof value === 'number' && expected.startsWith('a duration')) return durationHint(value);
  if (typeof value === 'number' && expected.startsWith('a size')) return sizeHint(value);
  if (typeof value === 'number' && expected.startsWith('an address and a port')) return socketHint(String(value));
  if (value === false && expected.endsWith('off')) return 'write off';
  if (inner instanceof z.ZodRecord && Array.isArray(value)) return listHint(value, nameOf(inner));
  if (inner instanceof z.ZodArray && typeof value !== 'object') return 'a list has "- " in front of each entry';
  return '';
}

/** A list where each entry has a name. */
function listHint(value: readonly unknown[], name: string | undefined): string {
  const [first] = value;
  if (name !== 'DOMAIN') return 'each entry stands below it, indented, with its name and a colon: no "- " in front';
  const domain = typeof first === 'string' && /^[\w.-]{1,100}$/.test(first) ? first : 'example.org';
  return `each domain has settings of its own: ${domain}: { nextHop: smtp://10.0.0.5:25 }`;
}

function hintOf(issue: Issue | undefined): string {
  const hint = issue?.code === 'custom' ? issue.params?.hint : undefined;
  return typeof hint === 'string' ? hint : '';
}

/** Of a value with several forms, the faults of the form that was meant; null where none was. */
function chosenOption(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  value: unknown,
  schema: z.core.$ZodType | null,
): readonly Issue[] | null {
  const union = schema === null ? null : bare(schema);
  if (!(union instanceof z.ZodUnion)) return null;
  const meant = union.options.findLastIndex(option => {
    const form = bare(option);
    if (form instanceof z.ZodObject) return typeof value === 'object' && value !== null && !Array.isArray(value);
    if (form instanceof z.ZodArray) return Array.isArray(value);
    return form instanceof z.ZodPipe && typeof value === 'string';
  });
  return meant === -1 ? null : (issue.errors[meant] ?? null);
}

function schemaAt(path: YamlPath): z.core.$ZodType | null {
  return path.reduce<z.core.$ZodType | null>((schema, step) => (schema === null ? null : childOf(schema, step)), table);
}

export function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>((inner, step) => {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return undefined;
    return Object.entries(inner).find(([key]) => key === String(step))?.[1];
  }, value);
}

function keysAt(path: YamlPath): readonly string[] {
  const schema = schemaAt(path);
  const forms =
    schema === null ? [] : [bare(schema)].flatMap(form => (form instanceof z.ZodUnion ? form.options : [form]));
  return forms.flatMap(form => (form instanceof z.ZodObject ? Object.keys(form.shape) : []));
}

/** Where in the table a key of this name is at home, for one that stands in the wrong place. */
function homeOf(key: string): string | null {
  const search = (schema: z.core.$ZodType, path: string, depth: number): string | null => {
    const form = bare(schema);
    if (form instanceof z.ZodObject && Object.hasOwn(form.shape, key)) return path === '' ? 'the top level' : path;
    const inner =
      form instanceof z.ZodObject
        ? Object.entries(form.shape).map(([name, child]) => [name, child] as const)
        : form instanceof z.ZodRecord
          ? [['NAME', form.valueType] as const]
          : form instanceof z.ZodArray
            ? [['', form.element] as const]
            : [];
    if (depth === 0) return null;
    for (const [name, child] of inner) {
      const found = search(
        child,
        name === '' ? `an entry of ${path}` : path === '' ? name : `${path}.${name}`,
        depth - 1,
      );
      if (found !== null) return found;
    }
    return null;
  };
  return search(table, '', 4);
}
