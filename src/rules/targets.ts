// What a rule can look at: the table of targets, their fields, and what kind of value each is. The condition reader
// checks names and tests against it; view.ts fetches the values; docs/rules.md has the same table for people.

/**
 * text: long and hostile (expressions must be fast on it) · line: one line of text · word: one of few words ·
 * domain: knows `own` and `under` · address: `local@domain` · network: an IP address.
 */
export type ValueKind = 'text' | 'line' | 'word' | 'domain' | 'address' | 'network' | 'number' | 'size' | 'yes-no';

export interface ValueSpec {
  readonly kind: ValueKind;
  /** The only words it can be; null where it is open. */
  readonly choices: readonly string[] | null;
}

export interface ThingSpec {
  readonly fields: Readonly<Record<string, ValueSpec>>;
  /** True: known only after the scanners have spoken, so its tests run with the formulas. */
  readonly isLate: boolean;
}

const text: ValueSpec = { kind: 'text', choices: null };
const line: ValueSpec = { kind: 'line', choices: null };
const word: ValueSpec = { kind: 'word', choices: null };
const domain: ValueSpec = { kind: 'domain', choices: null };
const address: ValueSpec = { kind: 'address', choices: null };
const network: ValueSpec = { kind: 'network', choices: null };
const number: ValueSpec = { kind: 'number', choices: null };
const size: ValueSpec = { kind: 'size', choices: null };
const yesNo: ValueSpec = { kind: 'yes-no', choices: null };
const oneOf = (...choices: string[]): ValueSpec => ({ kind: 'word', choices });

const early = (fields: Record<string, ValueSpec>): ThingSpec => ({ fields, isLate: false });
const results = ['pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror'];
const auth: ThingSpec = { fields: { result: oneOf(...results), domain }, isLate: true };
const mailbox = early({ address, domain, name: line });

/** Beside these: `header NAME` and `header NAME raw`. */
export const VALUES: Readonly<Record<string, ValueSpec>> = {
  subject: line,
  text,
  raw: text,
  headers: text,
  size,
  direction: oneOf('incoming', 'outgoing'),
  listener: word,
};

export const THINGS: Readonly<Record<string, ThingSpec>> = {
  from: mailbox,
  sender: mailbox,
  'reply-to': mailbox,
  to: mailbox,
  cc: mailbox,
  'mail-from': early({ address, domain }),
  'rcpt-to': early({ address, domain }),
  client: early({ address: network, ptr: domain, helo: domain, tls: word }),
  link: early({
    url: line,
    host: domain,
    domain,
    shown: line,
    source: oneOf('href', 'src', 'form', 'text'),
    'shown-differs': yesNo,
  }),
  attachment: early({ name: line, type: word, size, sha256: word }),
  part: early({ type: word, name: line }),
  count: early({
    recipients: number,
    links: number,
    'link-domains': number,
    attachments: number,
    parts: number,
    received: number,
    characters: number,
  }),
  spf: auth,
  dkim: auth,
  dmarc: auth,
};

/** What targets are called elsewhere: no spelling leads from there to ours. */
export const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['body', 'text'],
  ['content', 'text'],
  ['message', 'text'],
  ['html', 'raw'],
  ['source', 'raw'],
  ['title', 'subject'],
  ['rcpt', 'rcpt-to'],
  ['recipient', 'rcpt-to'],
  ['recipients', 'count.recipients'],
  ['envelope-from', 'mail-from'],
  ['return-path', 'mail-from'],
  ['mailfrom', 'mail-from'],
  ['rcptto', 'rcpt-to'],
  ['replyto', 'reply-to'],
  ['ip', 'client.address'],
  ['address', 'client.address'],
  ['host', 'client.ptr'],
  ['hostname', 'client.ptr'],
  ['ptr', 'client.ptr'],
  ['rdns', 'client.ptr'],
  ['helo', 'client.helo'],
  ['ehlo', 'client.helo'],
  ['tls', 'client.tls'],
  ['url', 'link.url'],
  ['uri', 'link.url'],
  ['domain', 'from.domain'],
  ['name', 'from.name'],
  ['file', 'attachment.name'],
  ['filename', 'attachment.name'],
  ['extension', 'attachment.name'],
  ['mime', 'part.type'],
  ['content-type', 'part.type'],
]);

export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;

export interface HeaderTarget {
  readonly name: string;
  readonly isRaw: boolean;
}

/** `header X-Mailer` or `header X-Mailer raw`; null where it is none. */
export function parseHeaderTarget(target: string): HeaderTarget | null {
  const [first, name = '', form, ...rest] = target.split(/ +/);
  if (first !== 'header' || !HEADER_NAME.test(name) || rest.length > 0) return null;
  if (form !== undefined && form !== 'raw') return null;
  return { name: name.toLowerCase(), isRaw: form === 'raw' };
}

export function valueSpec(target: string): ValueSpec | null {
  if (Object.hasOwn(VALUES, target)) return VALUES[target] ?? null;
  return parseHeaderTarget(target) === null ? null : line;
}

export function thingSpec(thing: string): ThingSpec | null {
  return Object.hasOwn(THINGS, thing) ? (THINGS[thing] ?? null) : null;
}

export function fieldSpec(thing: ThingSpec, field: string): ValueSpec | null {
  return Object.hasOwn(thing.fields, field) ? (thing.fields[field] ?? null) : null;
}
