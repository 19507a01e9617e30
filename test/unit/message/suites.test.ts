// The MIME suites of other projects, where they lie beside this one: their authors' expectations, and each case in
// which Postern differs, with the reason. A case that begins or ceases to differ fails.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type { Message } from '../../../src/mail/message.ts';
import { DEFAULT_LIMITS } from '../../../src/message/limits.ts';
import { parseStructured, textValue } from '../../../src/message/parameters.ts';
import { readMessage } from '../../../src/message/read.ts';
import { decodeWords, unfold } from '../../../src/message/words.ts';

const SUITES = join(import.meta.dirname, '../../../../shared/suites/mime');

function folder(t: TestContext, ...path: string[]): string | null {
  const found = join(SUITES, ...path);
  if (existsSync(found)) return found;
  t.skip(`no suite at ../shared/suites/mime/${path.join('/')}`);
  return null;
}

const read = (file: string): Message => readMessage(readFileSync(file), DEFAULT_LIMITS);

/** `differ` are the cases that differ now; each must have its reason in the table, and the table nothing else. */
function compare(differ: readonly string[], reasons: Readonly<Record<string, string>>, cases: number): void {
  assert.ok(cases > 0, 'there are cases');
  assert.deepEqual([...differ].sort(), Object.keys(reasons).sort());
}

// ---------------------------------------------------------------- stalwart: types of all parts, in order

interface StalwartPart {
  readonly headers: readonly { name: string; value: { ContentType?: { c_type: string; c_subtype: string | null } } }[];
  readonly body: Readonly<Record<string, unknown>> & { readonly Message?: StalwartMessage };
}

interface StalwartMessage {
  readonly parts: readonly StalwartPart[];
}

/** The declared type of each part, nested messages in place; null where none is declared. */
function stalwartTypes(message: StalwartMessage): (string | null)[] {
  return message.parts.flatMap(part => {
    const type = part.headers.find(header => header.name === 'content_type')?.value.ContentType;
    const own = type === undefined ? null : `${type.c_type}/${type.c_subtype ?? ''}`.toLowerCase();
    return [own, ...(part.body.Message === undefined ? [] : stalwartTypes(part.body.Message))];
  });
}

const LATE_PARTS = 'RFC 2046 5.1.2: the outer delimiter ends the inner multipart and begins a part; stalwart drops it';

const STALWART: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  rfc: {},
  malformed: {
    '000': 'delimiters right after each other: each begins a part for us, stalwart gives an empty multipart',
    '001': 'stalwart makes one more, empty part of an inner delimiter after its multipart is over',
    '004': 'stalwart takes --ab for a delimiter of boundary "a"; we compare the whole word',
    '005': 'boundaries ending in dashes: --a------ is no delimiter of "a----" for stalwart, for us it closes',
    '007': 'a delimiter within a header section: stalwart goes on reading the inner multipart',
    '009': LATE_PARTS,
    '011': LATE_PARTS,
    '012': LATE_PARTS,
    '013': 'a last delimiter with nothing after it begins an empty part for us',
    '014': 'a last delimiter with nothing after it begins an empty part for us',
    '016': 'delimiters of multiparts that are over: stalwart reads two more parts, we read them as text',
    '020': 'a multipart whose header runs into its first part: we split it at the delimiters that follow',
    '021': 'a multipart whose header runs into its first part: we split it at the delimiters that follow',
    '022': 'a message/rfc822 without any header: we read it as a message all the same',
  },
  thirdparty: {
    '015': 'a truncated message within a message: stalwart continues it with what follows the outer delimiter',
  },
  legacy: {},
};

for (const [name, reasons] of Object.entries(STALWART)) {
  test(`parts of stalwart's ${name} messages, but for ${Object.keys(reasons).length} explained`, t => {
    const path = folder(t, 'stalwart', 'eml', name);
    if (path === null) return;
    const files = readdirSync(path).filter(file => /^\d+\.eml$/.test(file));
    const differ = files
      .map(file => file.replace('.eml', ''))
      .filter(file => {
        const theirs = stalwartTypes(JSON.parse(readFileSync(join(path, `${file}.json`), 'utf8')));
        const ours = read(join(path, `${file}.eml`)).parts.map(part => part.type);
        return ours.length !== theirs.length || ours.some((type, i) => theirs[i] !== null && theirs[i] !== type);
      });
    compare(differ, reasons, files.length);
  });
}

// ---------------------------------------------------------------- stalwart: header values

interface ContentTypeCase {
  readonly header: string;
  readonly expected: {
    readonly c_type: string;
    readonly c_subtype: string | null;
    readonly attributes: readonly (readonly [string, string])[] | null;
  } | null;
}

/** The field alone, one character a byte: what follows the first line end without a fold is another field. */
function fieldOf(header: string): string {
  return unfold(
    Buffer.from(header)
      .toString('latin1')
      .replace(/\r?\n(?![ \t])[\s\S]*$/, ''),
  );
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  "filename*1*=iso-8859-1'%20": 'a charset on every piece, which RFC 2231 gives to the first alone',
  'name="=?iso-8859-1?B?4Q==?= =?utf-8?B?': 'RFC 2047 6.2: white space between encoded words is not shown',
  'á/é; á=é': 'names beyond ASCII are not decoded',
  'inva/lid; name="   \\n': 'blanks at a fold are one blank, at the end of a field none',
  'test/encoded; key4*=': 'numbers of more than three digits, NUL',
  'malicious/attempt; 1*2*=a': 'stars where none belong make other names',
  'text/plain/format': 'a second slash: we keep the type',
};

test("stalwart's Content-Type fields, but for those explained", t => {
  const path = folder(t, 'stalwart', 'content_type.json');
  if (path === null) return;
  const cases: readonly ContentTypeCase[] = JSON.parse(readFileSync(path, 'utf8'));
  const met = new Set<string>();
  for (const { header, expected } of cases) {
    // A type that is none is text/plain whatever it says (walk.test.ts); the language of RFC 2231 is not kept.
    if (expected === null || (expected.c_subtype === null && header.includes('/') && !header.includes('plain/')))
      continue;
    const structured = parseStructured(fieldOf(header));
    const head = expected.c_subtype === null ? expected.c_type : `${expected.c_type}/${expected.c_subtype}`;
    const attributes = (expected.attributes ?? []).filter(([name]) => !name.endsWith('-language'));
    const isSame =
      structured.head === head.toLowerCase() &&
      attributes.every(([name, value]) => textValue(structured, name) === value);
    if (isSame) continue;
    const reason = Object.keys(CONTENT_TYPES).find(start =>
      JSON.stringify(header).replaceAll('\\"', '"').includes(start),
    );
    assert.ok(reason !== undefined, `${JSON.stringify(header)} gives ${structured.head} ${[...structured.values]}`);
    met.add(reason);
  }
  compare([...met], CONTENT_TYPES, cases.length);
});

const UNSTRUCTURED: Readonly<Record<string, string>> = {
  '[SUSPECTED SPAM]=?utf-8?B?': 'stalwart puts a blank before a word that has none',
  'Some text =?utf-8?Q??=here': 'stalwart makes a blank of an empty word',
  '=?utf-8?Q?Hello': 'a fold within a word is a blank for us',
};

test("stalwart's unstructured fields, but for those explained", t => {
  const path = folder(t, 'stalwart', 'unstructured.json');
  if (path === null) return;
  const cases: readonly { header: string; expected: string | null }[] = JSON.parse(readFileSync(path, 'utf8'));
  const differ = cases
    .filter(({ header, expected }) => decodeWords(fieldOf(header)).trim() !== (expected ?? ''))
    .map(({ header }) => Object.keys(UNSTRUCTURED).find(start => header.startsWith(start)) ?? header);
  compare([...new Set(differ)], UNSTRUCTURED, cases.length);
});

// ---------------------------------------------------------------- mime-tools: path, type, size and name of all parts

interface RefPart {
  readonly path: string;
  readonly type: string | undefined;
  readonly size: number | null;
  readonly name: string | null;
}

function refParts(ref: string): RefPart[] {
  return [...ref.matchAll(/^ {2}"(?:Msg|Part_([\d_]+))" => \{([\s\S]*?)^ {2}\}/gm)].map(([, path, body]) => {
    const value = (key: string) => new RegExp(`"${key}" => "?([^",\\n]*)`).exec(body ?? '')?.[1];
    const size = value('Size');
    return {
      path: (path ?? '').replaceAll('_', '.'),
      type: value('Type'),
      size: size === undefined ? null : Number(size),
      name:
        value('Filename')?.replace(/\\x\{(\w+)\}/g, (_, hex: string) =>
          String.fromCodePoint(Number.parseInt(hex, 16)),
        ) ?? null,
    };
  });
}

function agrees(message: Message, parts: readonly RefPart[]): boolean {
  // Some references leave the root out.
  const ours = message.parts.filter(part => part.path !== '' || parts.some(ref => ref.path === ''));
  return (
    ours.length === parts.length &&
    parts.every(({ path, type, size, name }) => {
      const part = ours.find(each => each.path === path);
      if (part === undefined || (type !== undefined && part.type !== type)) return false;
      return (size === null || part.decoded().length === size) && (name === null || part.name === name);
    })
  );
}

const MIME_TOOLS: Readonly<Record<string, string>> = {
  'ak-0696-none.ref': 'their option leaves messages within messages closed',
  'ak-0696-replace.ref': 'their option puts the inner message in the place of the outer',
  'multi-2evil.ref': 'their name /evil/because:ofpath... keeps its folders',
  'multi-weirdspace.ref': 'their size is one less than the bytes; mime4j has the same message and counts as we do',
  'multi-digest.ref': 'their "text" is no type; we call it text/plain',
  'multi-nested.ref': 'their name /evil/filename keeps its folders',
  'multi-nested2.ref': 'their name /evil/filename keeps its folders',
  'uu-junk-extracted.ref': 'uuencode within text is not unpacked yet',
  'uu-zeegee.ref': 'uuencode within text is not unpacked yet',
};

test(`parts of mime-tools' messages, but for ${Object.keys(MIME_TOOLS).length} explained`, t => {
  const path = folder(t, 'mime-tools', 'testmsgs');
  if (path === null) return;
  const files = readdirSync(path).filter(file => file.endsWith('.ref'));
  const differ = files.filter(file => {
    const ref = readFileSync(join(path, file), 'latin1');
    const message = /"Message" => "testmsgs\/([^"]+)"/.exec(ref)?.[1] ?? '';
    return !agrees(read(join(path, message)), refParts(ref));
  });
  compare(differ, MIME_TOOLS, files.length);
});

// ---------------------------------------------------------------- mime4j: number of parts and messages

const MIME4J: Readonly<Record<string, string>> = {
  'very-very-long-boundary.msg': 'a boundary of 7,000 characters: nothing of a line is that long (RFC 5322 2.1.1)',
  'very-long-boundary.msg': 'as weird-boundary.msg',
  'weird-boundary.msg': 'a boundary that ends in blanks, which RFC 2046 5.1.1 forbids: we compare without them',
};

test(`number of parts in mime4j's messages, but for ${Object.keys(MIME4J).length} explained`, t => {
  const path = folder(t, 'mime4j', 'core', 'src', 'test', 'resources');
  if (path === null) return;
  const files = ['testmsgs', 'mimetools-testmsgs'].flatMap(name =>
    readdirSync(join(path, name))
      .filter(file => file.endsWith('.msg'))
      .map(file => join(path, name, file)),
  );
  const withTree = files.filter(file => existsSync(file.replace(/\.msg$/, '.xml')));
  const differ = withTree.filter(file => {
    const tree = readFileSync(file.replace(/\.msg$/, '.xml'), 'latin1');
    return read(file).parts.length !== (tree.match(/<(?:message|body-part)>/g) ?? []).length;
  });
  compare(
    differ.map(file => file.slice(file.lastIndexOf('/') + 1)),
    MIME4J,
    withTree.length,
  );
});

// ---------------------------------------------------------------- mime4j: decoded bytes of leaves

const NO_HEADER_END = 'where a header section without an empty line ends is taste: we end it at the first line of text';
const EMPTY = 'an empty part is made from a close delimiter; we make none';

const MIME4J_DECODED: Readonly<Record<string, string>> = {
  'basic-plain-with-bad-header-separator_decoded_1.txt': 'text after a line of blanks is body for us, header for them',
  'hdr-fakeout_decoded_1.txt': 'text after a line of blanks is body for us, header for them',
  'malformedHeader-noheader_decoded_1.txt': NO_HEADER_END,
  'malformedHeaderStartsBody-noheader_decoded_1.txt': NO_HEADER_END,
  'malformedHeaderStartsBody-nocrlfcrlf_decoded_1.txt': 'a stray line among fields: we go on to the empty line',
  'missing-inner-boundary_decoded_1_2_1.txt': EMPTY,
  'multipartemptypart_decoded_1_2.txt': EMPTY,
  'very-long-boundary_decoded_1_1.txt': 'see the number of parts',
  'very-very-long-boundary_decoded_1_1.txt': 'see the number of parts',
  'weird-boundary_decoded_1_1.txt': 'see the number of parts',
  'frag_decoded_1_2_1_2_1_2_1_2.bin': 'base64 with more after its padding: we decode that as well',
  'multi-frag_decoded_1_3_2.bin': 'base64 with more after its padding: we decode that as well',
};

test(`decoded bytes in mime4j's messages, but for ${Object.keys(MIME4J_DECODED).length} explained`, t => {
  const path = folder(t, 'mime4j', 'core', 'src', 'test', 'resources');
  if (path === null) return;
  const cases = ['testmsgs', 'mimetools-testmsgs'].flatMap(name =>
    readdirSync(join(path, name)).flatMap(file => {
      const [, message, place] = /^(.*)_decoded_1((?:_\d+)*)\.(?:txt|bin)$/.exec(file) ?? [];
      if (message === undefined || place === undefined) return [];
      return [{ file, expected: join(path, name, file), message: join(path, name, `${message}.msg`), place }];
    }),
  );
  const differ = cases.filter(({ file, expected, message, place }) => {
    const part = read(message).parts.find(each => each.path === place.slice(1).replaceAll('_', '.'));
    if (part === undefined) return true;
    // They write text with CRLF, whatever the message has.
    const comparable = (bytes: Uint8Array) =>
      Buffer.from(bytes)
        .toString('latin1')
        .replace(file.endsWith('.txt') ? /\r*\n/g : /$^/g, '\n');
    return comparable(part.decoded()) !== comparable(readFileSync(expected));
  });
  compare(
    differ.map(each => each.file),
    MIME4J_DECODED,
    cases.length,
  );
});

// ---------------------------------------------------------------- the others: nothing is thrown, nothing unreadable

test('every message of every suite is read within the budgets', t => {
  if (folder(t) === null) return;
  const files = readdirSync(SUITES, { recursive: true, encoding: 'utf8' }).filter(file =>
    /\.(?:eml|msg|raw|txt)$/.test(file),
  );
  for (const file of files) {
    const message = read(join(SUITES, file));
    message.text();
    message.links();
    message.attachments();
    assert.deepEqual(message.problems(), [], file);
  }
  assert.ok(files.length > 300);
});
