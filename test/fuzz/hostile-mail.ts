// Messages made to cost more than their size: each grows with `n`, so that a test can ask whether the cost grows as fast.
// Used by the cost tests of this folder. All line ends are CRLF, as the intake leaves them.

export interface Shape {
  readonly name: string;
  /** About `bytes` long. */
  readonly make: (bytes: number) => string;
}

const HEAD = 'From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n';

/** `piece` again and again, `bytes` in all. */
function filled(piece: string, bytes: number): string {
  return piece.repeat(Math.max(1, Math.ceil(bytes / piece.length)));
}

/** Each piece made from its number. */
function counted(bytes: number, piece: (n: number) => string): string {
  const pieces: string[] = [];
  for (let length = 0, n = 0; length < bytes; n++) {
    const next = piece(n);
    pieces.push(next);
    length += next.length;
  }
  return pieces.join('');
}

const inHead = (name: string, piece: string, open = '', close = ''): Shape => ({
  name,
  make: bytes => `${HEAD}${open}${filled(piece, bytes)}${close}\r\n\r\nbody\r\n`,
});
const typed = (name: string, type: string, piece: string, open = '', close = ''): Shape => ({
  name,
  make: bytes => `${HEAD}MIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n${open}${filled(piece, bytes)}${close}\r\n`,
});
const html = (name: string, piece: string, open = '', close = ''): Shape =>
  typed(name, 'text/html', piece, open, close);
const mixed = (name: string, piece: string, open = '', close = ''): Shape =>
  typed(name, 'multipart/mixed; boundary=x', piece, open, close);

/** Distinct letters beyond ASCII: what punycode takes longest for. */
function letters(count: number): string {
  return Array.from({ length: count }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000))).join('');
}
const utf8 = (text: string) => Buffer.from(text).toString('latin1');

export const SHAPES: readonly Shape[] = [
  // The header section.
  inHead('a long To', 'a@b.example, ', 'To: '),
  inHead('a long To of folds', ' a@b.example,\r\n', 'To:\r\n', ' x@y.example'),
  inHead('a To without a comma', 'a', 'To: '),
  inHead('a To of brackets', '<', 'To: '),
  inHead('a To of quotes', '"', 'To: '),
  inHead('a To of backslashes', '\\"', 'To: "'),
  inHead('a To of comments within comments', '(', 'To: '),
  inHead('a To of closed comments', '(a)', 'To: '),
  inHead('a From of encoded words', '=?utf-8?q?a?= ', 'From: '),
  inHead('a Subject of encoded words', '=?utf-8?b?w6Q=?=\r\n ', 'Subject: '),
  inHead('a Subject of half words', '=?', 'Subject: '),
  inHead('a Subject of unclosed words', '=?utf-8?q?a', 'Subject: '),
  inHead('a Subject of words in many charsets', '=?koi8-r?b?8PLJ?= =?utf-7?q?+AGE-?= ', 'Subject: '),
  inHead('a Subject of blanks', ' ', 'Subject: x', 'y'),
  inHead('folds of nothing', ' \r\n', 'Subject: x\r\n', ' y'),
  inHead('fields without a value', 'A:\r\n'),
  inHead('fields of one name', 'X-A: b\r\n'),
  { name: 'fields of many names', make: bytes => `${HEAD}${counted(bytes, n => `X-${n}: b\r\n`)}\r\nbody\r\n` },
  inHead('a field name', 'a', '', ': b'),
  inHead('a field name and blanks', ' ', 'Name', ': b'),
  inHead('lines that are no fields', 'no field\r\n'),
  inHead('lines that look like delimiters', '--\r\n'),
  inHead('many Received', 'Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n'),
  inHead('one Received of blanks', ' ', 'Received: by', ';'),
  inHead('many signatures', 'DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=x; h=from; bh=YQ==; b=YQ==\r\n'),
  inHead('signatures of blanks', 'DKIM-Signature: d          =         \r\n'),
  inHead('many Content-Type', 'Content-Type: text/plain; charset=utf-8\r\n'),
  inHead('parameters', 'a=b; ', 'Content-Type: text/plain; '),
  inHead('pieces of a parameter', 'name*1=b; ', 'Content-Type: text/plain; '),
  inHead('a parameter that is not closed', 'a\\', 'Content-Type: text/plain; name="'),
  inHead('a type of comments', '(a', 'Content-Type: '),
  inHead('a file name of percents', '%41', "Content-Disposition: attachment; filename*=utf-8''"),
  inHead('results of others', 'Authentication-Results: b.example; spf=pass\r\n'),
  inHead('results in folds', ' \r\n', 'Authentication-Results:\r\n', ' b.example; x'),
  inHead('results in folded comments', ' (\r\n', 'Authentication-Results:\r\n', ' b.example; x'),
  {
    name: 'results in many fields of folds',
    make: bytes =>
      `${HEAD}${filled(`Authentication-Results:\r\n${' \r\n'.repeat(2600)} b.example;\r\n`, bytes)}\r\nx\r\n`,
  },
  {
    name: 'names drawn out by folds',
    make: bytes => `${HEAD}${filled(`X-Spam\r\n${' \r\n'.repeat(2600)} : yes\r\n`, bytes)}\r\nx\r\n`,
  },
  // The tree.
  mixed('parts', '--x\r\n\r\na\r\n'),
  mixed('empty parts', '--x\r\n'),
  mixed('closed again and again', '--x--\r\n'),
  mixed('lines that nearly are delimiters', '--xy\r\n'),
  mixed('long lines that nearly are delimiters', `--${'y'.repeat(1200)}\r\n`),
  mixed('dashes', '--'),
  mixed('parts with a header and no body', '--x\r\nContent-Type: text/html\r\n'),
  mixed('multiparts without a boundary', '--x\r\nContent-Type: multipart/mixed\r\n\r\n'),
  mixed('messages within parts', '--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n'),
  {
    name: 'parts within parts',
    make: bytes =>
      `${HEAD}${counted(bytes, n => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`)}\r\nx\r\n`,
  },
  {
    name: 'messages within messages',
    make: bytes => `${HEAD}${filled('Content-Type: message/rfc822\r\n\r\n', bytes)}\r\nx\r\n`,
  },
  {
    name: 'messages within messages without an empty line',
    make: bytes => `${HEAD}${filled('Content-Type: message/rfc822\r\n\r\nstray\r\n', bytes)}x\r\n`,
  },
  {
    name: 'one boundary within itself',
    make: bytes => `${HEAD}${filled('Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n', bytes)}\r\nx\r\n`,
  },
  // Bodies.
  typed('one line', 'text/plain', 'a'),
  typed('empty lines', 'text/plain', '\r\n'),
  typed('blanks', 'text/plain', ' ', '', 'x'),
  typed('lines of blanks', 'text/plain', '  \r\n \r\n'),
  typed('tabs and blanks', 'text/plain', '\t '),
  typed('lines of one dot', 'text/plain', '.\r\n'),
  typed('lines of two dots', 'text/plain', '..\r\n'),
  typed('addresses', 'text/plain', 'http://a.example/ '),
  typed('an address without an end', 'text/plain', 'http://'),
  typed('an address and its full stops', 'text/plain', '.', 'http://a.example/'),
  typed('addresses and their full stops', 'text/plain', `http://a.example/${'.'.repeat(9000)} `),
  typed('addresses with closing brackets', 'text/plain', `http://a.example/${')'.repeat(9000)} `),
  typed('a host without an end', 'text/plain', 'www.'),
  typed('user names', 'text/plain', 'a@', 'http://'),
  typed('hosts beyond ASCII', 'text/plain; charset=utf-8', `http://${utf8(letters(2500))}.example/ `),
  typed('words', 'text/plain', 'free money act now '),
  typed('accents', 'text/plain; charset=utf-8', utf8('e\u0301\u0327\u0302')),
  typed('marks on one letter', 'text/plain; charset=utf-8', utf8('\u0301\u0327'), 'a'),
  typed('ligatures', 'text/plain; charset=utf-8', utf8('\ufdfa')),
  typed('UTF-7', 'text/plain; charset=utf-7', '+AGE-'),
  typed('UTF-7 that shifts', 'text/plain; charset=utf-7', '+', 'a'),
  typed('ISO-2022-JP that shifts', 'text/plain; charset=iso-2022-jp', '\x1b$B\x1b(B'),
  typed('HZ', 'text/plain; charset=hz-gb-2312', '~{!!~}'),
  typed('damaged UTF-8', 'text/plain; charset=utf-8', '\xf0\x9f'),
  typed('UTF-16 halves', 'text/plain; charset=utf-16le', '\x3d\xd8'),
  typed('quoted-printable', 'text/plain\r\nContent-Transfer-Encoding: quoted-printable', '='),
  typed('soft breaks', 'text/plain\r\nContent-Transfer-Encoding: quoted-printable', '=\r\n'),
  typed('padded soft breaks', 'text/plain\r\nContent-Transfer-Encoding: quoted-printable', `=${' '.repeat(99)}x`),
  typed('base64 of padding', 'text/plain\r\nContent-Transfer-Encoding: base64', '='),
  // HTML.
  html('open tags', '<b>'),
  html('closed tags', '</b>'),
  html('open angle brackets', '<'),
  html('tags that are not closed', '<a '),
  html('open links', '<a href=x>'),
  html('open links to places', '<a href="http://a.example/">'),
  html('attributes', ' a=b', '<a', '>'),
  html('an attribute that is not closed', 'a', '<a href="'),
  html('an attribute of entities', '&amp;', '<a href="', '">'),
  html('entities', '&notit;'),
  html('entities that are not closed', '&amp'),
  html('number entities', '&#1'),
  html('comments', '<!--'),
  html('comment ends', '--!', '<!--'),
  html('CDATA', '<![CDATA['),
  html('questions', '<?'),
  html('scripts that are not closed', '<script>'),
  html('script ends', '</scrip', '<script>'),
  html('styles', '<style></style>'),
  html('titles', '</titl', '<title>'),
  html('tables', '<td>'),
  html('preformatted', '<pre>\r\n'),
  html('blocks', '<p> </p>'),
  html('refreshes', '<meta http-equiv=refresh content="0; url=http://a.example/">'),
  html('a refresh of blanks', ' ', '<meta http-equiv=refresh content="', '">'),
  html('a base of letters', 'a/', '<base href="http://a.example/', '"><a href=b>c</a><a href=d>e</a>'),
  {
    name: 'a long base and many links',
    make: bytes =>
      `${HEAD}Content-Type: text/html\r\n\r\n<base href="http://a.example/${'a/'.repeat(4800)}">${counted(bytes, n => `<a href=${n}>b</a>`)}\r\n`,
  },
  {
    name: 'links to hosts beyond ASCII',
    make: bytes =>
      `${HEAD}Content-Type: text/html; charset=utf-8\r\n\r\n${counted(bytes, n => `<a href="http://${n}${utf8(letters(2700))}.example/">b</a>`)}\r\n`,
  },
  {
    name: 'links to hosts of many labels',
    make: bytes =>
      `${HEAD}Content-Type: text/html\r\n\r\n${counted(bytes, n => `<a href="http://${n}${'.a'.repeat(4000)}.example/">b</a>`)}\r\n`,
  },
  {
    name: 'links to hosts with escapes',
    make: bytes =>
      `${HEAD}Content-Type: text/html\r\n\r\n${counted(bytes, n => `<a href="http://${n}${'%C3%A4'.repeat(1300)}.example/">b</a>`)}\r\n`,
  },
  {
    name: 'links to paths that go up',
    make: bytes =>
      `${HEAD}Content-Type: text/html\r\n\r\n${counted(bytes, n => `<a href="http://${n}.example/${'a/../'.repeat(1600)}">b</a>`)}\r\n`,
  },
  {
    name: 'links and what they show',
    make: bytes =>
      `${HEAD}Content-Type: text/html\r\n\r\n${counted(bytes, n => `<a href="http://a.example/${n}">${'a.'.repeat(90)}</a>`)}\r\n`,
  },
];
