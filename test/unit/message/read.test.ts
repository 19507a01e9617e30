import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { DEFAULT_LIMITS, type MessageLimits } from '../../../src/message/limits.ts';
import { readMessage } from '../../../src/message/read.ts';

function read(text: string, limits: Partial<MessageLimits> = {}) {
  return readMessage(Buffer.from(text, 'latin1'), { ...DEFAULT_LIMITS, ...limits });
}

const ALTERNATIVE = [
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
  'Content-Type: multipart/alternative; boundary=b',
  '',
  'preamble http://preamble.example/',
  '--b',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Dear cus=',
  'tomer,',
  'f=FCr Sie:',
  '',
  'http://plain.example.com/x.',
  '--b',
  'Content-Type: text/html; charset=utf-8',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('<p>Dear <b>you</b>,<br>see <a href="https://html.example.org/">here</a></p>').toString('base64'),
  '--b--',
  '',
].join('\r\n');

test('text is the decoded subject, then a line for each paragraph of each text part', () => {
  assert.equal(
    read(ALTERNATIVE).text(),
    'Grüße\nDear customer, für Sie:\nhttp://plain.example.com/x.\nDear you, see here\n',
  );
});

test('raw is the decoded parts with their markup', () => {
  assert.equal(
    read(ALTERNATIVE).raw(),
    'Dear customer,\r\nfür Sie:\r\n\r\nhttp://plain.example.com/x.\n' +
      '<p>Dear <b>you</b>,<br>see <a href="https://html.example.org/">here</a></p>',
  );
});

test('links come from HTML and from text, each once', () => {
  assert.deepEqual(
    read(ALTERNATIVE)
      .links()
      .map(link => [link.source, link.url, link.domain, link.shown]),
    [
      ['href', 'https://html.example.org/', 'example.org', 'here'],
      ['text', 'http://plain.example.com/x', 'example.com', 'http://plain.example.com/x'],
    ],
  );
  assert.equal(read('\n\nwww.a.example www.a.example').links().length, 1);
});

test('a message without subject and text is an empty line', () => {
  assert.equal(read('A: b\n\n').text(), '\n');
  assert.equal(read('').text(), '\n');
});

const TEXT_KINDS: readonly (readonly [name: string, header: string, isRead: 'html' | 'plain' | 'not'])[] = [
  ['text/plain', 'Content-Type: text/plain', 'plain'],
  ['text/html', 'Content-Type: text/html', 'html'],
  ['AMP', 'Content-Type: text/x-amp-html', 'html'],
  ['XHTML', 'Content-Type: application/xhtml+xml', 'html'],
  ['an attached text', 'Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment', 'plain'],
  ['HTML by its name', 'Content-Type: application/octet-stream; name=invoice.HTM', 'html'],
  ['another text', 'Content-Type: text/calendar', 'plain'],
  ['a multipart that cannot be split', 'Content-Type: multipart/mixed; boundary=b', 'plain'],
  ['a picture', 'Content-Type: image/gif', 'not'],
];

for (const [name, header, isRead] of TEXT_KINDS) {
  test(`${name} is read as ${isRead === 'not' ? 'no text' : isRead}`, () => {
    const expected = { html: '\nxyz\n', plain: '\nx<b>y</b>z\n', not: '\n' }[isRead];
    assert.equal(read(`${header}\n\nx<b>y</b>z`).text(), expected);
  });
}

const ATTACHMENTS: readonly (readonly [name: string, header: string, attachment: string | null])[] = [
  ['a text', 'Content-Type: text/plain', null],
  ['an inline text', 'Content-Type: text/plain\nContent-Disposition: inline', null],
  ['a text that is attached', 'Content-Type: text/plain\nContent-Disposition: attachment', 'text/plain '],
  ['a text with a name', 'Content-Type: text/plain; name=a.txt', 'text/plain a.txt'],
  ['a picture without a name', 'Content-Type: image/gif', 'image/gif '],
  ['a program in a folder', 'Content-Disposition: attachment; filename="..\\\\x.exe"', 'text/plain x.exe'],
];

for (const [name, header, attachment] of ATTACHMENTS) {
  test(`${name} is ${attachment === null ? 'no attachment' : 'an attachment'}`, () => {
    const found = read(`Content-Type: multipart/mixed; boundary=b\n\n--b\n${header}\n\nx\n--b--\n`).attachments();
    assert.deepEqual(
      found.map(each => `${each.type} ${each.name}`),
      attachment === null ? [] : [attachment],
    );
  });
}

test('an attachment has size and digest of its decoded bytes', () => {
  const [attachment] = read('Content-Type: a/b\nContent-Transfer-Encoding: base64\n\nQUJD').attachments();
  assert.equal(attachment?.sizeBytes, 3);
  assert.equal(attachment?.sha256, createHash('sha256').update('ABC').digest('hex'));
});

test('text of a message within the message is read, and its attachments count', () => {
  const message = read(
    'Subject: outer\nContent-Type: message/rfc822; name=x.eml\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=b\n\n' +
      '--b\n\nhello\n--b\nContent-Type: a/b; name=c\n\nx\n--b--\n',
  );
  assert.equal(message.text(), 'outer\nhello\n');
  assert.deepEqual(
    message.attachments().map(each => each.name),
    ['c'],
  );
});

test('text beyond its budget is cut, and it is said', () => {
  const cut = (limits: Partial<MessageLimits>) => {
    const message = read(`Content-Type: text/html\n\n<p>${'x'.repeat(1000)}`, limits);
    return { defects: message.defects().map(defect => defect.symbol), text: message.text(), raw: message.raw() };
  };
  assert.deepEqual(cut({}).defects, []);
  const byBytes = cut({ textBytes: 100 });
  assert.deepEqual([byBytes.defects, byBytes.text.length, byBytes.raw.length], [['MIME_TEXT_CUT'], 99, 100]);
  const byChars = cut({ textChars: 100 });
  assert.deepEqual([byChars.defects, byChars.text.length, byChars.raw.length], [['MIME_TEXT_CUT'], 101, 100]);
});

test('links beyond their budget are left out, and it is said', () => {
  const html = Array.from({ length: 20 }, (_, i) => `<a href="http://a${i}.example">x</a>`).join('');
  const message = read(`Content-Type: text/html\n\n${html}`, { links: 5 });
  assert.equal(message.links().length, 5);
  assert.deepEqual(message.defects(), [{ symbol: 'MIME_LINKS_CUT', evidence: 'more than 5' }]);
  assert.deepEqual(read(`Content-Type: text/html\n\n${html}`, { links: 20 }).defects(), []);
});

const META: readonly (readonly [header: string, meta: string, text: string])[] = [
  ['', '<meta charset=koi8-r>', 'ПР'],
  ['', '<META http-equiv=x content="text/html; charset=koi8-r">', 'ПР'],
  ['; charset=windows-1251', '<meta charset=koi8-r>', 'рт'],
  ['', '<meta charset=utf-16>', 'ðò'],
  ['', `${' '.repeat(2000)}<meta charset=koi8-r>`, 'ðò'],
];

for (const [header, meta, text] of META) {
  test(`HTML with ${JSON.stringify(header)} and ${meta.trim()} reads ${text}`, () => {
    assert.equal(read(`Content-Type: text/html${header}\n\n${meta}\xf0\xf2`).text(), `\n${text}\n`);
  });
}

test('a charset that nobody knows is a defect', () => {
  assert.deepEqual(read('Content-Type: text/plain; charset=klingon\n\nx').defects(), [
    { symbol: 'MIME_UNKNOWN_CHARSET', evidence: 'klingon' },
  ]);
});

test('each view is computed once', () => {
  const message = read(ALTERNATIVE);
  assert.equal(message.links(), message.links());
  assert.equal(message.attachments(), message.attachments());
  assert.equal(message.parts[1]?.decoded(), message.parts[1]?.decoded());
});

test('the headers are those of the message itself', () => {
  assert.deepEqual(
    read(ALTERNATIVE).headers.map(({ name, raw, value }) => ({ name, raw, value })),
    [
      { name: 'Subject', raw: ' =?utf-8?q?Gr=C3=BC=C3=9Fe?=', value: 'Grüße' },
      {
        name: 'Content-Type',
        raw: ' multipart/alternative; boundary=b',
        value: 'multipart/alternative; boundary=b',
      },
    ],
  );
});
