// The examples beside a rule: what it must hit, and what it must miss. Reads them, and makes of each the smallest
// message, session and findings that it speaks of.

import { parseAddress } from '../mail/address.ts';
import type { Envelope, Recipient } from '../mail/envelope.ts';
import type { Auth } from '../mail/finding.ts';
import type { Attachment, Header, Link, Message, Part } from '../mail/message.ts';
import type { Session } from '../mail/session.ts';

import { SYMBOL } from './condition.ts';
import type { Condition } from './model.ts';
import { suggest } from './operator.ts';
import { found, isMap, type Place } from './place.ts';
import { fieldSpec, parseHeaderTarget, THINGS, thingSpec, VALUES } from './targets.ts';
import type { MatchContext } from './view.ts';

/** In examples, this domain is `own`. */
export const EXAMPLE_OWN = 'own.example';
const EXAMPLES_MAX = 100;
const COUNT_MAX = 1000;

export interface Example {
  readonly place: Place;
  readonly symbol: string;
  readonly expects: 'hit' | 'miss';
  /** A whole message as it stands in the file, null where the example gives only pieces. */
  readonly rawMessage: string | null;
  readonly message: Message;
  readonly context: MatchContext;
  readonly auth: readonly Auth[];
  readonly found: readonly string[];
}

type Pieces = Readonly<Record<string, unknown>>;

/** What is wrong with them is noted. */
export function readExamples(place: Place, symbol: string, when: Condition | null): Example[] {
  if (place.value === undefined) return [];
  if (!isMap(place.value)) {
    place.wrong(`${found(place.value)} where examples were expected`, 'write {hit: [...], miss: [...]}');
    return [];
  }
  return place.entries().flatMap(([expects, list]) => {
    if (expects !== 'hit' && expects !== 'miss') {
      list.wrong(`unknown key ${found(expects)} in examples`, 'write {hit: [...], miss: [...]}', 'key');
      return [];
    }
    const items = Array.isArray(list.value) ? list.items() : [list];
    if (items.length > EXAMPLES_MAX) list.wrong(`${items.length} examples`, `at most ${EXAMPLES_MAX} of a kind`);
    return items
      .slice(0, EXAMPLES_MAX)
      .map(item => readExample(item, { symbol, when, expects }))
      .filter(example => example !== null);
  });
}

interface Of {
  readonly symbol: string;
  readonly when: Condition | null;
  readonly expects: 'hit' | 'miss';
}

function readExample(place: Place, { symbol, when, expects }: Of): Example | null {
  const pieces = readPieces(place, when);
  if (pieces === null) return null;
  const rawMessage = typeof pieces['message'] === 'string' ? pieces['message'] : null;
  return {
    place,
    symbol,
    expects,
    rawMessage,
    message: messageOf(pieces),
    context: contextOf(pieces),
    auth: authOf(pieces),
    found: texts(pieces['found']),
  };
}

function readPieces(place: Place, when: Condition | null): Pieces | null {
  const { value } = place;
  if (typeof value === 'string' || typeof value === 'number') {
    if (when === null) return null;
    const positive = targetsOf(withoutNot(when));
    const targets = [...new Set(positive.length > 0 ? positive : targetsOf(when))];
    const [only, ...others] = targets;
    if (only === undefined || others.length > 0) {
      return place.wrong(
        'it is not said what the example is an example of',
        `the rule looks at ${targets.join(', ')}: write for example {${only ?? 'found'}: ...}`,
      );
    }
    const [thing = '', field = ''] = only.split('.');
    return field === '' ? { [only]: value } : { [thing]: { [field]: value } };
  }
  if (!isMap(value))
    return place.wrong(
      `${found(value)} where an example was expected`,
      'a text, or a map of targets: {subject: ..., text: ...}',
    );
  const bad = place.entries().map(([key, piece]) => pieceProblem(key, piece));
  return bad.includes(true) ? null : value;
}

function pieceProblem(key: string, piece: Place): boolean {
  const thing = thingSpec(key);
  if (key === 'found') {
    const bad = texts(piece.value).find(symbol => !SYMBOL.test(symbol));
    if (bad !== undefined) piece.wrong(`${found(bad)} is no symbol`);
    return bad !== undefined;
  }
  if (thing !== null) {
    for (const item of Array.isArray(piece.value) ? piece.items() : [piece]) {
      const strange = item.entries().find(([field]) => fieldSpec(thing, field) === null);
      if (strange === undefined) continue;
      strange[1].wrong(
        `\`${key}\` has no field ${found(strange[0])}`,
        suggest(strange[0], Object.keys(thing.fields)),
        'key',
      );
      return true;
    }
    return false;
  }
  if (key === 'message' || Object.hasOwn(VALUES, key) || parseHeaderTarget(key) !== null) return false;
  piece.wrong(
    `unknown target ${found(key)} in an example`,
    suggest(key, ['message', 'found', ...Object.keys(VALUES), ...Object.keys(THINGS)]),
    'key',
  );
  return true;
}

/** What must not be there is rarely what an example shows. */
function withoutNot(condition: Condition): Condition {
  if (condition.kind === 'not') return { kind: 'all', of: [] };
  if (condition.kind === 'all' || condition.kind === 'any' || condition.kind === 'at-least') {
    return { ...condition, of: condition.of.map(withoutNot) };
  }
  return condition;
}

/** Of `client` and `count` the field too: they are not one text. */
function targetsOf(condition: Condition): string[] {
  if (condition.kind === 'value' || condition.kind === 'count') return [condition.target];
  if (condition.kind === 'found') return ['found'];
  if (condition.kind === 'thing') {
    const fields = condition.thing === 'client' || condition.thing === 'count' ? fieldsOf(condition.of) : [];
    return fields.length === 0 ? [condition.thing] : fields.map(field => `${condition.thing}.${field}`);
  }
  if (condition.kind === 'not') return targetsOf(condition.of);
  return condition.kind === 'field' ? [] : condition.of.flatMap(targetsOf);
}

function fieldsOf(condition: Condition): string[] {
  if (condition.kind === 'field') return [condition.field];
  if (condition.kind === 'not') return fieldsOf(condition.of);
  return 'of' in condition && Array.isArray(condition.of) ? condition.of.flatMap(fieldsOf) : [];
}

// ---------------------------------------------------------------- the message it speaks of

export function messageOf(pieces: Pieces): Message {
  const subject = pieces['subject'] === undefined ? '' : String(pieces['subject']);
  const text = `${subject}\n${pieces['text'] === undefined ? '' : String(pieces['text'])}${'x'.repeat(countOf(pieces, 'characters'))}`;
  const links = [
    ...list(pieces['link']).map(linkOf),
    ...many(countOf(pieces, 'links') + countOf(pieces, 'link-domains'), i => linkOf(`https://site${i}.example/`)),
  ];
  const attachments = [
    ...list(pieces['attachment']).map(attachmentOf),
    ...many(countOf(pieces, 'attachments'), i => attachmentOf(`${i}.txt`)),
  ];
  const parts = [...list(pieces['part']).map(partOf), ...many(countOf(pieces, 'parts'), () => partOf('text/plain'))];
  return {
    headers: headersOf(pieces),
    parts,
    text: () => text,
    raw: () => (pieces['raw'] === undefined ? text : String(pieces['raw'])),
    links: () => links,
    attachments: () => attachments,
    defects: () => [],
    problems: () => [],
  };
}

function headersOf(pieces: Pieces): Header[] {
  const headers: Header[] = [];
  const add = (name: string, value: unknown): void => {
    if (value !== 'missing' && value !== undefined)
      headers.push({ name, raw: ` ${String(value)}`, value: String(value) });
  };
  for (const name of ['subject', 'from', 'sender', 'reply-to', 'to', 'cc']) {
    for (const value of list(pieces[name])) add(name, isMap(value) ? mailboxText(value) : value);
  }
  for (const line of String(pieces['headers'] ?? '').split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) add(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  for (const [key, value] of Object.entries(pieces)) {
    const header = parseHeaderTarget(key);
    if (header !== null) for (const one of list(value)) add(header.name, one === 'exists' ? 'some value' : one);
  }
  for (let i = countOf(pieces, 'received'); i > 0; i--) add('received', 'from a by b');
  return headers;
}

function mailboxText(box: Pieces): string {
  const address = String(
    box['address'] ?? (box['domain'] === undefined ? 'someone@example.com' : `someone@${box['domain']}`),
  );
  return box['name'] === undefined ? address : `"${String(box['name'])}" <${address}>`;
}

function linkOf(value: unknown): Link {
  const link: Pieces = isMap(value) ? value : { url: value };
  const url = String(link['url'] ?? `https://${String(link['host'] ?? link['domain'] ?? 'example.com')}/`);
  const host = hostOf(url);
  const source = (['href', 'src', 'form', 'text'] as const).find(one => one === link['source']) ?? 'href';
  return {
    url,
    host,
    domain: link['domain'] === undefined ? lastLabels(host) : String(link['domain']),
    shown: String(link['shown'] ?? ''),
    source,
  };
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname || null : null;
}

/** Good enough for examples: the real one comes from the public suffix list. */
function lastLabels(host: string | null): string | null {
  return host === null || /^[\d.]+$|^\[/.test(host) ? null : host.split('.').slice(-2).join('.');
}

function attachmentOf(value: unknown): Attachment {
  const one: Pieces = isMap(value) ? value : { name: value };
  const name = String(one['name'] ?? 'file');
  return {
    name,
    type: String(one['type'] ?? 'application/octet-stream').toLowerCase(),
    sizeBytes: Number(one['size'] ?? 1000),
    sha256: String(one['sha256'] ?? '0'.repeat(64)),
  };
}

function partOf(value: unknown): Part {
  const one: Pieces = isMap(value) ? value : { type: value };
  const name = one['name'] === undefined ? null : String(one['name']);
  return {
    path: '1',
    within: null,
    start: 0,
    headers: [],
    type: String(one['type'] ?? 'text/plain').toLowerCase(),
    disposition: null,
    name,
    bodyStart: 0,
    bodyEnd: 0,
    decoded: () => new Uint8Array(),
  };
}

// ---------------------------------------------------------------- and what is around it

export function contextOf(pieces: Pieces): MatchContext {
  const rcptTo = [
    ...list(pieces['rcpt-to']).map(addressOf),
    ...many(countOf(pieces, 'recipients'), i => `r${i}@${EXAMPLE_OWN}`),
  ];
  const sizeBytes = typeof pieces['size'] === 'number' ? pieces['size'] : 1000;
  return {
    session: sessionOf(pieces),
    envelope: envelopeOf(addressOf(pieces['mail-from']), rcptTo),
    sizeBytes,
    ownDomains: [EXAMPLE_OWN],
  };
}

function addressOf(value: unknown): string {
  if (!isMap(value)) return typeof value === 'string' ? value : '';
  return String(value['address'] ?? `someone@${String(value['domain'] ?? 'example.com')}`);
}

function envelopeOf(mailFrom: string, rcptTo: readonly string[]): Envelope {
  const recipients: Recipient[] = rcptTo.flatMap(text => {
    const address = parseAddress(text);
    return address === null ? [] : [{ raw: `<${text}>`, address }];
  });
  return {
    mailFrom: { raw: `<${mailFrom}>`, address: parseAddress(mailFrom) },
    rcptTo: recipients,
    smtpUtf8: false,
    body: '7BIT',
    declaredSize: null,
  };
}

function sessionOf(pieces: Pieces): Session {
  const client: Pieces = isMap(pieces['client']) ? pieces['client'] : {};
  const tls = client['tls'];
  return {
    id: 'example',
    clientAddress: String(client['address'] ?? '192.0.2.1'),
    clientPort: 25252,
    ptr: typeof client['ptr'] === 'string' ? client['ptr'] : null,
    helo: String(client['helo'] ?? ''),
    esmtp: true,
    tls: typeof tls === 'string' ? { version: tls, cipher: '' } : null,
    listener: String(pieces['listener'] ?? 'public'),
    direction: pieces['direction'] === 'outgoing' ? 'outgoing' : 'incoming',
    startedAt: 0,
  };
}

function authOf(pieces: Pieces): Auth[] {
  return (['spf', 'dkim', 'dmarc'] as const).flatMap(method =>
    list(pieces[method]).map(value => {
      const one: Pieces = isMap(value) ? value : { result: value };
      const property = { spf: 'smtp.mailfrom', dkim: 'header.d', dmarc: 'header.from' }[method];
      return {
        kind: 'auth',
        method,
        result: String(one['result'] ?? 'pass'),
        properties: { [property]: String(one['domain'] ?? 'example.com') },
        comment: '',
      };
    }),
  );
}

function countOf(pieces: Pieces, field: string): number {
  const counts = pieces['count'];
  const count = isMap(counts) ? counts[field] : undefined;
  return typeof count === 'number' ? Math.min(Math.max(0, Math.floor(count)), COUNT_MAX) : 0;
}

function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.slice(0, COUNT_MAX) : [value];
}

function texts(value: unknown): string[] {
  return list(value).map(String);
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
