// The small parsers of src/message, each alone: no bytes make one throw, what one of our own writers wrote is read back,
// and no result is longer than it may be.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeCharset } from '../../src/message/charset.ts';
import { readHeaderSection } from '../../src/message/header.ts';
import { readHtml, SHOWN_MAX } from '../../src/message/html.ts';
import { makeLink, textLink } from '../../src/message/links.ts';
import { MAILBOXES_MAX, parseMailboxes } from '../../src/message/mailboxes.ts';
import { firstToken, parseStructured, rawValue, shownName, textValue } from '../../src/message/parameters.ts';
import { foldText, urlsInText } from '../../src/message/plain.ts';
import { decodeBase64, decodeQuotedPrintable } from '../../src/message/transfer.ts';
import { decodeUtf7 } from '../../src/message/utf7.ts';
import { decodeWords, unfold } from '../../src/message/words.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const LETTERS = [...'aZ09 ', 'ä', 'ß', '漢', '😀', 'é', 'Ω', 'л'];
const CHARSETS = [
  ...[
    '',
    'utf-8',
    'us-ascii',
    'iso-8859-1',
    'windows-1251',
    'koi8-r',
    'gb2312',
    'gb18030',
    'big5',
    'shift_jis',
    'euc-jp',
  ],
  ...['iso-2022-jp', 'iso-2022-kr', 'iso-2022-cn', 'hz-gb-2312', 'euc-kr', 'utf-7', 'utf-16', 'utf-16le', 'utf-16be'],
  ...['utf-32', 'ucs-2', 'cp437', 'cp866', 'ibm500', 'tis-620', 'macintosh', 'x-user-defined', 'unicode-1-1-utf-7'],
  ...[
    'hex',
    'base64',
    'binary',
    'internal',
    'utf-7-imap',
    '__proto__',
    'constructor',
    'toString',
    'x'.repeat(50),
    '\0',
    ' utf-8 ',
  ],
];

function bytesOf(luck: Chance, max: number): Buffer {
  return Buffer.from(Array.from({ length: luck.below(max + 1) }, () => luck.below(luck.pick([4, 128, 256]))));
}

test('whatever the bytes and the charset, they become text of bounded length', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(6000); i++) {
    const bytes = bytesOf(luck, luck.pick([4, 60, 400]));
    const charset = luck.pick(CHARSETS);
    const { text } = decodeCharset(bytes, charset);
    assert.equal(typeof text, 'string');
    assert.ok(text.length <= bytes.length + 2, `${charset}: ${text.length} characters of ${bytes.length} bytes`);
  }
});

test('what is written in a charset is read in it', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(3000); i++) {
    const text = luck.text(LETTERS, 40);
    const utf16 = Buffer.from(text, 'utf16le');
    assert.equal(decodeCharset(Buffer.from(text), 'utf-8').text, text);
    assert.equal(decodeCharset(utf16, 'utf-16le').text, text);
    assert.equal(decodeCharset(Buffer.from(utf16).swap16(), 'utf-16be').text, text);
    assert.equal(decodeUtf7(utf7(text)), text);
  }
});

/** RFC 2152 with every character shifted that may be. */
function utf7(text: string): Buffer {
  const shifted = (run: string) => `+${Buffer.from(run, 'utf16le').swap16().toString('base64').replace(/=+$/, '')}-`;
  return Buffer.from(text.replace(/[^A-Za-z0-9 ]+/g, shifted), 'latin1');
}

test('base64 and quoted-printable are read back as they were written, also with line ends and rubbish between', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(3000); i++) {
    const bytes = bytesOf(luck, 200);
    const noise = () => luck.pick(['', '', '', '\r\n', '\n', ' ', '\t', '!', '\0', '\xff']);
    const encoded = [...bytes.toString(luck.pick(['base64', 'base64url']))].map(char => char + noise()).join('');
    assert.deepEqual(decodeBase64(Buffer.from(encoded, 'latin1')), bytes);
    const soft = () => luck.pick(['', '', '', '=\r\n', '=\n', '= \t\r\n']);
    const printed = [...bytes].map(byte => `=${byte.toString(16).padStart(2, '0')}${soft()}`);
    assert.deepEqual(decodeQuotedPrintable(Buffer.from(printed.join('')), false), bytes);
  }
});

test('no encoding gives more bytes than it took', t => {
  const luck = chance(t);
  const pieces = ['=', '=4', '=41', '=\r\n', '=\n', ' ', '\r', '\n', '_', 'QUJD', '==', '\xff', '-', '\0'];
  for (let i = 0; i < rounds(10_000); i++) {
    const bytes = Buffer.from(luck.text(pieces, 30), 'latin1');
    assert.ok(decodeBase64(bytes).length <= bytes.length);
    for (const inWord of [true, false]) assert.ok(decodeQuotedPrintable(bytes, inWord).length <= bytes.length);
  }
});

test('encoded words are read back as they were written, and nothing of a field breaks its line', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(3000); i++) {
    const texts = Array.from({ length: 1 + luck.below(4) }, () => `x${luck.text(LETTERS, 12)}x`);
    const word = (text: string) =>
      luck.below(2) === 0
        ? `=?UTF-8?b?${Buffer.from(text).toString('base64')}?=`
        : `=?utf-8*en?Q?${[...Buffer.from(text)].map(byte => `=${byte.toString(16).padStart(2, '0')}`).join('')}?=`;
    const joined = texts.map(word).join(luck.pick([' ', '\r\n ', '\r\n\t', '  ']));
    assert.equal(decodeWords(unfold(joined)), texts.join(''));
  }
  const pieces = [
    '=?',
    '?=',
    '?',
    'utf-8',
    'q',
    'B',
    '=0D=0A',
    '=00',
    'DQo=',
    ' ',
    '\r\n ',
    '\t',
    '*',
    'é',
    '\xff',
    '\x1b$B',
    '\0',
    '\x85',
  ];
  for (let i = 0; i < rounds(10_000); i++) {
    const raw = luck.text(pieces, 14);
    const text = decodeWords(unfold(raw));
    assert.doesNotMatch(text, /[\r\n\0]/, JSON.stringify(raw));
    assert.ok(text.length <= raw.length + 10, JSON.stringify(raw));
  }
});

test('parameters are read back as they were written', t => {
  const luck = chance(t);
  const names = ['name', 'filename', 'boundary', 'charset', 'x'];
  for (let i = 0; i < rounds(5000); i++) {
    const name = luck.pick(names);
    const value = `v${luck.text([...'aZ09 .;=()/<>@,', '"', '\\', 'ä'], 20)}v`;
    const blank = () => luck.pick(['', ' ', '\t', '(c)', ' (a(b)c) ']);
    const latin1 = Buffer.from(value).toString('latin1');
    const quoted = `"${latin1.replace(/["\\]/g, '\\$&')}"`;
    const plain = parseStructured(
      `text/Plain${blank()};${blank()}${name.toUpperCase()}${blank()}=${blank()}${quoted}; z=1`,
    );
    assert.equal(plain.head, 'text/plain');
    assert.equal(rawValue(plain, name), latin1, quoted);
    const extended = encodeURIComponent(value).replace(/[()*'!]/g, char => `%${char.charCodeAt(0).toString(16)}`);
    const cut = luck.below(extended.length);
    // A cut inside an escape would be no escape.
    const at = extended[cut - 1] === '%' ? cut + 2 : extended[cut - 2] === '%' ? cut + 1 : cut;
    const pieces = `${name}*1*=${extended.slice(at)}; ${name}*0*=UTF-8'de'${extended.slice(0, at)}`;
    assert.equal(textValue(parseStructured(`a/b; ${pieces}`), name), value, pieces);
  }
});

test('any text has parameters, or none', t => {
  const luck = chance(t);
  const pieces = [
    ...';="\\()/*\' \t%<>@,',
    'a',
    'name',
    'name*',
    'name*0*=',
    "utf-8''",
    '%41',
    '=?utf-8?q?x?=',
    '\xff',
    '\0',
    '__proto__',
    '9'.repeat(400),
  ];
  for (let i = 0; i < rounds(10_000); i++) {
    const raw = luck.text(pieces, 25);
    const read = parseStructured(raw);
    assert.equal(firstToken(raw), read.head.split('/')[0]);
    for (const name of [...read.values.keys(), ...read.pieces.keys(), '__proto__']) {
      assert.ok(rawValue(read, name).length <= raw.length);
      assert.ok((shownName(textValue(read, name), 255) ?? '').length <= 255);
      assert.doesNotMatch(shownName(textValue(read, name), 255) ?? '', /[\x00-\x1f\x7f/\\]/);
    }
  }
});

test('mailboxes are read back as they were written, between all the comments there may be', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(3000); i++) {
    const boxes = Array.from({ length: 1 + luck.below(5) }, (_, n) => ({
      name: `${luck.pick(['', 'A', 'a, b', 'x@y.example', 'q"q', 'back\\slash', '(no comment)', '<z@z.example>'])}`,
      address: `${luck.pick(['a', 'a.b', 'x+y', '"q q"'])}@d${n}.example`,
    }));
    const comment = () => luck.pick(['', ' ', ' (c)', ' (a(b)c, d) ', '\t']);
    const written = boxes.map(({ name, address }) =>
      name === ''
        ? `${comment()}${address}`
        : `"${name.replace(/["\\]/g, '\\$&')}"${comment()} <${address}>${comment()}`,
    );
    const read = parseMailboxes(written.join(luck.pick([',', ', ', ' , '])));
    assert.deepEqual(
      read.map(box => box.address?.text),
      boxes.map(box => box.address),
      written.join(),
    );
    for (const [n, box] of boxes.entries()) if (box.name !== '') assert.equal(read[n]?.name, box.name);
  }
});

test('any text has at most so many mailboxes, and each has an @', t => {
  const luck = chance(t);
  const pieces = [
    ...'a@.<>()",;:\\ \t[]',
    'x@y.example',
    '"',
    'group:',
    '=?utf-8?q?x?=',
    'ü',
    '\u202e',
    '\0',
    '@a,@b:',
  ];
  for (let i = 0; i < rounds(10_000); i++) {
    const text = luck.text(pieces, 40);
    const read = parseMailboxes(text);
    assert.ok(read.length <= MAILBOXES_MAX);
    for (const { rawAddress } of read) assert.ok(rawAddress.includes('@') && rawAddress.length <= text.length, text);
  }
});

test('HTML of any tags has links and text within bounds, and a link is found where it stands', t => {
  const luck = chance(t);
  const pieces = [
    ...[
      '<a href="',
      '<a href=',
      "<a href='",
      '">',
      '>',
      '</a>',
      '<img src=x>',
      '<',
      '</',
      '&amp;',
      '&#x',
      '&#99999999;',
      '&#xd800;',
      '&lt',
      '"',
      "'",
    ],
    ...[
      '<!--',
      '-->',
      '<script>',
      '</script>',
      '<style',
      '<![CDATA[',
      ']]>',
      '<?',
      '<base href="//b.example/">',
      '<pre>',
      '<p>',
      '\r\n',
      'text ',
      '\0',
    ],
    ...[
      'http://a.example/',
      '//c.example',
      'javascript:',
      'mailto:x',
      '<meta http-equiv=refresh content="0;url=',
      '<form action=',
      '<title>',
      '<textarea>',
      '<svg/onload=x>',
    ],
  ];
  for (let i = 0; i < rounds(6000); i++) {
    const html = luck.text(pieces, 30);
    const { text, links, base } = readHtml(html, 5);
    assert.ok(links.length <= 6);
    assert.ok(text.length <= html.length * 2 + 2, JSON.stringify(html));
    for (const link of links) {
      assert.ok(link.shown.length <= SHOWN_MAX);
      const made = makeLink(link, base);
      assert.ok(made === null || made.url.length <= 8192);
    }
  }
  for (let i = 0; i < rounds(500); i++) {
    const rubbish = luck.text(['<b>', '</i>', '&amp;', 'text', '<!-- x -->', '<p title="y">', '</a>'], 10);
    const { links } = readHtml(`${rubbish}<A\nHREF = "http://x&#46;example/${i}">s</a>${rubbish}`, 5);
    assert.ok(
      links.some(link => link.url === `http://x.example/${i}` && link.shown === 's'),
      rubbish,
    );
  }
});

test('URLs of any form are links with a sound host, or none', t => {
  const luck = chance(t);
  const pieces = [
    ...[
      'http:',
      'https://',
      '//',
      '\\\\',
      '/',
      '@',
      ':',
      '?',
      '#',
      '.',
      '%',
      '%2e',
      '%00',
      '[::1]',
      '[',
      '0x7f.1',
      '2130706433',
      'www.',
    ],
    ...[
      'example',
      '.com',
      'ü',
      '\u3002',
      '\u00ad',
      '\ud800',
      '😀',
      ' ',
      '\t',
      '\n',
      'javascript:',
      'data:',
      'cid:',
      'a'.repeat(70),
      '日'.repeat(100),
      'x'.repeat(9000),
    ],
  ];
  for (let i = 0; i < rounds(8000); i++) {
    const url = luck.text(pieces, 10);
    const link =
      luck.below(2) === 0
        ? textLink(url)
        : makeLink({ url, shown: '', source: 'href' }, luck.pick(['', 'http://b.example/', url]));
    if (link === null) continue;
    assert.ok(link.url.length <= 8192);
    assert.ok(
      link.host === null || (link.host !== '' && !/[\s/\\@?#]/.test(link.host)),
      JSON.stringify([url, link.host]),
    );
    assert.ok(link.domain === null || link.host?.endsWith(link.domain), JSON.stringify(link));
  }
});

test('text is folded once and for all, and every URL in it begins as one does', t => {
  const luck = chance(t);
  const pieces = [
    ...' \t\r\n\0\f',
    '\u00a0',
    '\u2028',
    'a',
    'http://a.example',
    'www.b.example',
    '(',
    ')',
    '.',
    '"',
    '…',
    ']',
  ];
  for (let i = 0; i < rounds(8000); i++) {
    const text = luck.text(pieces, 30);
    const folded = foldText(text);
    assert.doesNotMatch(folded, /^\s|\s$|[ \t]{2}|\n\n|\0/, JSON.stringify(text));
    for (const url of urlsInText(text, 3)) assert.match(url, /^(?:http:\/\/|www\.)/);
    assert.ok(urlsInText(text, 3).length <= 3);
  }
});

test('a header section of any lines has fields that lie inside it, one after the other', t => {
  const luck = chance(t);
  const pieces = [
    'A: b',
    'Name:',
    ' folded',
    '\tx',
    ' ',
    '',
    'no field',
    'From x',
    '--x',
    ': y',
    'a b: c',
    'Ü: x',
    '\0: \0',
    '\r',
    'X'.repeat(1200),
  ];
  for (let i = 0; i < rounds(8000); i++) {
    const text =
      luck.text(
        pieces.flatMap(piece => [`${piece}\r\n`, `${piece}\n`]),
        12,
      ) + luck.pick(['', 'rest']);
    const bytes = Buffer.from(text, 'latin1');
    const start = luck.below(3) === 0 ? text.indexOf('\n') + 1 : 0;
    const isDelimiter = (at: number) => bytes.toString('latin1', at, at + 3) === '--x';
    const section = readHeaderSection(bytes, start, {
      maxBytes: luck.pick([20, 5000]),
      maxFields: luck.pick([0, 2, 100]),
      isDelimiter,
    });
    assert.ok(section.bodyStart >= start && section.bodyStart <= bytes.length);
    let before = start;
    for (const field of section.fields) {
      assert.ok(
        field.start >= before && field.end >= field.start && field.end <= section.bodyStart,
        JSON.stringify(text),
      );
      assert.match(field.name, /^[!-9;-~]+$/);
      assert.doesNotMatch(field.value, /[\r\n\0]/);
      before = field.end;
    }
  }
});
