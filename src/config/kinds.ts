// The kinds of values that settings have: each reads one form of text, and says in words what it expects. The table is
// made of them; messages, docs/config.md and the JSON Schema read the words back with `expectedOf` and `aboutOf`.

import { z } from 'zod';
import { canonicalAddress, networkHint, parseNetwork } from '../platform/network.ts';
import { parseHostName, parseSocketAddress, type SocketAddress, socketHint } from './network.ts';
import { type HopHost, parseHop } from './next-hop.ts';
import {
  type Bytes,
  DURATION_PATTERN,
  durationHint,
  durationText,
  type Milliseconds,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
  sizeHint,
  sizeText,
  type Wrong,
  wrong,
} from './units.ts';

/** What the table says of a setting. */
export interface About {
  /** Its meaning, in a sentence or two; for pages and editors. */
  readonly about: string;
  /** May it change by `reload`, for mail that comes after it? Else a restart is needed. */
  readonly live?: boolean;
  /** The default in words, where there is no value that says it. */
  readonly shown?: string;
}

const kinds = z.registry<{ readonly expected: string }>();
const abouts = z.registry<About>();
/** What stands in pages for the names of a map's entries: `DOMAIN`. */
const names = z.registry<{ readonly name: string }>();

// ---------------------------------------------------------------- places in the table

/** A setting with a default, written as in the file. */
export function setting<S extends z.ZodType>(
  schema: S,
  info: About & { readonly default: z.input<S> },
): z.ZodPrefault<S> {
  const { default: value, ...about } = info;
  const place = z.prefault(schema, value);
  abouts.add(place, about);
  return place;
}

/** A setting that may be absent. */
export function optional<S extends z.ZodType>(schema: S, info: About): z.ZodOptional<S> {
  const place = z.optional(schema);
  abouts.add(place, info);
  return place;
}

/** A setting without a default. */
export function required<S extends z.ZodType>(schema: S, info: About): S {
  abouts.add(schema, info);
  return schema;
}

/** Keys under a key, each with its default: the whole group may be left out. */
export function group<F extends z.ZodRawShape>(about: string, fields: F) {
  const schema = kind(z.strictObject(fields), keysOf(fields));
  return (schema as z.ZodType as typeof schema).prefault({} as z.input<typeof schema>).register(abouts, { about });
}

/** Keys that belong together, as an entry of a list or map, or where all or nothing is given. */
export function entry<F extends z.ZodRawShape>(fields: F) {
  return kind(z.strictObject(fields), keysOf(fields));
}

/** Named entries; `name` is what pages call the names. */
export function map<K extends z.ZodType<string, string>, V extends z.ZodType>(name: string, key: K, value: V) {
  const schema = z.record(key, value);
  names.add(schema, { name });
  return kind(schema, `entries by name, ${name} being ${expectedOf(key)}`);
}

export function list<V extends z.ZodType>(of: V, { min, max }: { readonly min: number; readonly max: number }) {
  return kind(
    z.array(of).min(min).max(max),
    `a list of ${min === 0 ? 'at most' : `${min} to`} ${max} entries, each ${expectedOf(of).replace('keys under it', 'with the keys')}`,
  );
}

/** One form or another; `expected` says it better than the forms put together. */
export function either<O extends readonly [z.ZodType, ...z.ZodType[]]>(expected: string, options: O) {
  return kind(z.union(options), expected);
}

// ---------------------------------------------------------------- values

export function duration(min: string, max: string): z.ZodType<Milliseconds, string> {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  const expected = `a duration such as "30s" or "5m", from ${durationText(least)} to ${durationText(most)}`;
  return read(expected, DURATION_PATTERN, text => {
    const ms = parseDuration(text);
    return ms === null || ms < least || ms > most ? wrong(ms === null ? durationHint(text) : '') : ms;
  });
}

export function size(min: string, max: string): z.ZodType<Bytes, string> {
  const [least, most] = [parseSize(min) ?? 0, parseSize(max) ?? 0];
  const expected = `a size such as "64MiB" or "512KiB", from ${sizeText(least)} to ${sizeText(most)}`;
  return read(expected, SIZE_PATTERN, text => {
    const bytes = parseSize(text);
    return bytes === null || bytes < least || bytes > most ? wrong(bytes === null ? sizeHint(text) : '') : bytes;
  });
}

export function count(min: number, max: number): z.ZodType<number, number> {
  return kind(z.int().min(min).max(max), `a whole number from ${min} to ${max}`);
}

/** Points of a score; `never` stands for more than any score reaches. */
export function points(): z.ZodType<number | 'never', number | 'never'> {
  return kind(z.union([z.number().min(-1000).max(1000), z.literal('never')]), 'a number from -1000 to 1000, or never');
}

export function flag(): z.ZodType<boolean, boolean> {
  return kind(z.boolean(), 'true or false');
}

export function choice<const V extends readonly [string, ...string[]]>(...values: V) {
  const words = values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
  return kind(z.enum(values), words);
}

/** The one word that stands for an absent thing: `off`, `embedded`. */
export function word<const W extends string>(value: W): z.ZodType<W, W> {
  return kind(z.literal(value), value);
}

export function path(what: 'file' | 'folder'): z.ZodType<string, string> {
  return read(`the path of a ${what}`, /^[^\x00]{1,4096}$/, text => (/^[^\x00]{1,4096}$/.test(text) ? text : wrong()));
}

/** A word that people give to a thing of theirs and that ends up in logs and metrics. */
export function name(): z.ZodType<string, string> {
  const pattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;
  return read('a name of lower-case letters, digits, - and _', pattern, text =>
    pattern.test(text) ? text : wrong(pattern.test(text.toLowerCase()) ? `write "${text.toLowerCase()}"` : ''),
  );
}

export function pattern(expected: string, form: RegExp): z.ZodType<string, string> {
  return read(expected, form, text => (form.test(text) ? text : wrong()));
}

/** What a listener is bound to: only addresses, for a name may stand for several. */
export function socketAddress(): z.ZodType<SocketAddress, string> {
  return read('an address and a port such as "127.0.0.1:2525" or "[::1]:2525"', null, text => {
    return parseSocketAddress(text) ?? wrong(socketHint(text));
  });
}

/** What is connected to: a name or an address, and a port. */
export function remoteAddress(): z.ZodType<SocketAddress, string> {
  return read('a host and a port such as "10.0.0.5:3310"', null, text => {
    const address = parseSocketAddress(text, true);
    return address === null || address.port === 0 ? wrong(socketHint(text)) : address;
  });
}

/** An absolute path, in distinction to a host. */
export function socketPath(): z.ZodType<string, string> {
  return read('the path of a unix socket', /^\/[^\x00]{1,106}$/, text =>
    /^\/[^\x00]{1,106}$/.test(text) ? text : wrong(),
  );
}

export function network(): z.ZodType<string, string> {
  return read('a network such as "10.0.0.0/8" or "2001:db8::/32", or an address', null, text =>
    parseNetwork(text) === null ? wrong(networkHint(text)) : text,
  );
}

/** A server of DNS: an address, its port 53 unless told. */
export function dnsServer(): z.ZodType<string, string> {
  return read('an address such as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53"', null, text => {
    if (canonicalAddress(text) !== null) return text;
    const address = parseSocketAddress(text);
    return address === null || address.host === 'localhost' || address.port === 0 ? wrong() : text;
  });
}

export function hostName(): z.ZodType<string, string> {
  return read('a full host name such as "mx.example.org"', null, text => {
    const host = parseHostName(text);
    if (host === null) return wrong('an address is no name here, and labels are letters, digits and hyphens');
    return host.includes('.')
      ? host
      : wrong(`other servers want the full name: write "${host}.example.org" or the like`);
  });
}

export function nextHop(): z.ZodType<HopHost, string> {
  return read('a next hop such as "smtp://10.0.0.5:25", "lmtp:/run/lmtp" or "maildir:mailbox"', null, text => {
    return parseHop(text);
  });
}

export function redisUrl(): z.ZodType<string, string> {
  return read('a Redis such as "redis://10.0.0.7:6379/0" or "rediss://:PASSWORD@redis.example.org"', null, text => {
    if (!/^rediss?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return wrong('it starts with redis:// or rediss://');
    const url = new URL(text);
    if (url.hostname === '') return wrong('the host is missing');
    if (!/^\/?\d{0,4}$/.test(url.pathname)) return wrong('after the host and port only the number of a database');
    return url.search === '' && url.hash === '' ? text : wrong('nothing may follow the number of the database');
  });
}

// ---------------------------------------------------------------- reading the table back

/** What a value must look like, in words; that of its forms where it has several. */
export function expectedOf(schema: z.core.$ZodType): string {
  return kinds.get(schema)?.expected ?? kinds.get(bare(schema))?.expected ?? 'something else';
}

export function aboutOf(schema: z.core.$ZodType): About | null {
  return abouts.get(schema) ?? null;
}

export function nameOf(schema: z.core.$ZodType): string {
  return names.get(bare(schema))?.name ?? 'NAME';
}

/** The schema without its default and without what is done to the value after it was read. */
export function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return bare(schema.unwrap());
  return schema instanceof z.ZodPipe && !kinds.has(schema) ? bare(schema.in) : schema;
}

/** The part of the table that reads what stands at one step of a path; null where nothing does. */
export function childOf(schema: z.core.$ZodType, step: string | number): z.core.$ZodType | null {
  const inner = bare(schema);
  if (inner instanceof z.ZodObject) return Object.hasOwn(inner.shape, step) ? inner.shape[step] : null;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  if (inner instanceof z.ZodArray) return typeof step === 'number' ? inner.element : null;
  if (!(inner instanceof z.ZodUnion)) return null;
  for (const option of inner.options) {
    const child = childOf(option, step);
    if (child !== null) return child;
  }
  return null;
}

function isWrong(result: unknown): result is Wrong {
  return typeof result === 'object' && result !== null && 'hint' in result;
}

function keysOf(fields: object): string {
  const keys = Object.keys(fields);
  return keys.length > 6 ? `keys under it such as ${keys.slice(0, 5).join(', ')}` : `keys under it: ${keys.join(', ')}`;
}

function kind<S extends z.core.$ZodType>(schema: S, expected: string): S {
  kinds.add(schema, { expected });
  return schema;
}

/** Text that `parse` makes a value of, or says how it should be written. */
function read<T extends string | number | object>(
  expected: string,
  pattern: RegExp | null,
  parse: (text: string) => T | Wrong,
): z.ZodType<T, string> {
  const text = pattern === null ? z.string() : z.string().meta({ pattern: pattern.source });
  const schema = text.transform((value, context): T => {
    const result = parse(value);
    if (!isWrong(result)) return result;
    context.addIssue({ code: 'custom', params: { hint: result.hint } });
    return z.NEVER;
  });
  return kind(schema, expected);
}
