// What the bytes of a message go through on the main thread, from the wire to the next hop: each stage gives the same
// however the bytes are cut, what one stage adds the other takes away, and nothing leaves that could end a message early.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DotStuffer } from '../../src/delivery/dot-stuffer.ts';
import { LineGuard } from '../../src/gateway/intake/line-guard.ts';
import { DotReader } from '../../src/gateway/smtp/dot-reader.ts';
import { commandArgument, parseMailArguments, parseRcptArguments } from '../../src/gateway/smtp/parameters.ts';
import { MailError } from '../../src/mail/error.ts';
import { HeaderFilter } from '../../src/mail/forged.ts';
import { isCopyId, isMailId, mailId, timeOf } from '../../src/mail/mail-id.ts';
import { hopWords, mirrored, replyText } from '../../src/mail/reply.ts';
import { markDigest } from '../../src/quarantine/mark-digest.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const HOST = 'mx.example.com';
const PIECES = [
  ...[
    '\r\n',
    '\r\n',
    '\r\n',
    '\r',
    '\n',
    '.',
    '..',
    '\r\n.',
    '\r\n..',
    '.\r',
    '\r\r\n',
    ' ',
    '\t',
    ':',
    'x',
    '\xff',
    'text',
  ],
  ...[
    '\r\n\r\n',
    'Received: by mx.example.com\r\n',
    'Received:\r\n by a',
    'X-Spam-Flag: NO\r\n',
    'X-Postern-Release: m\r\n',
  ],
  ...[
    'Authentication-Results: mx.example.com;',
    'Authentication-Results:\r\n (c)\r\n mx.example.com; x',
    'Content-Type: a/b\r\n',
  ],
  ...[' \r\n'.repeat(40), `X-${'y'.repeat(9000)}: z\r\n`, '\r\n'.repeat(30), 'a'.repeat(3000)],
];

function cut(bytes: Buffer, luck: Chance): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + luck.below(luck.pick([2, 10, 500, 100_000]));
    // A copy that is wiped afterwards would be fairer still; a view of its own is what sockets give.
    pieces.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return pieces;
}

/** What came out, or which reply. */
function outcome(work: () => Buffer): string {
  try {
    return work().toString('latin1');
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    return `${error.reply.code} ${error.message}`;
  }
}

test('content without its dots is the same however the wire cut it, and commands begin behind the end alone', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(8000); i++) {
    const text = luck.text(PIECES, 12) + luck.pick(['', '\r\n.\r\nQUIT\r\n']);
    const dots = new DotReader();
    let content = '';
    let behind: string | null = null;
    for (const piece of cut(Buffer.from(text, 'latin1'), luck)) {
      if (behind !== null) behind += piece.toString('latin1');
      else {
        const read = dots.read(piece);
        content += read.content.toString('latin1');
        behind = read.behind?.toString('latin1') ?? null;
      }
    }
    const whole = `\r\n${text}`;
    const end = whole.indexOf('\r\n.\r\n');
    assert.equal(behind, end === -1 ? null : whole.slice(end + 5), JSON.stringify(text));
    const expected = (end === -1 ? whole : whole.slice(0, end + 2)).replace(/\n\.\./g, '\n.').slice(2);
    if (end !== -1) assert.equal(content, expected, JSON.stringify(text));
    else assert.ok(expected.startsWith(content) && expected.length - content.length <= 4, JSON.stringify(text));
  }
});

test('what we stuff another reader unstuffs, and it ends where we end it', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(6000); i++) {
    const text = luck.text(PIECES, 12).replace(/\r\n|\r|\n/g, luck.below(20) === 0 ? '$&' : '\r\n');
    const stuffer = new DotStuffer();
    const sent = outcome(() => {
      const pieces = cut(Buffer.from(text, 'latin1'), luck).map(piece => Buffer.from(stuffer.push(piece)));
      return Buffer.concat([...pieces, Buffer.from(stuffer.end())]);
    });
    if (/\r(?!\n)|(?<!\r)\n/.test(text)) {
      assert.match(sent, /^451 /, JSON.stringify(text));
      continue;
    }
    const { content, behind } = new DotReader().read(Buffer.from(`${sent}NEXT`, 'latin1'));
    assert.equal(behind?.toString('latin1'), 'NEXT', JSON.stringify(text));
    assert.equal(content.toString('latin1'), text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`);
  }
});

test('the guard gives the same bytes, or the same refusal, however they came', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(6000); i++) {
    const text = luck.text(PIECES, 12) + (luck.below(30) === 0 ? '\0' : '');
    const limits = {
      messageBytes: luck.pick([50, 100_000]),
      receivedHeaders: luck.pick([1, 100]),
      ownReceived: luck.pick([0, 3]),
      bareNewlines: luck.pick(['normalize', 'refuse'] as const),
      hostname: HOST,
    };
    const through = (pieces: readonly Buffer[]) =>
      outcome(() => {
        const guard = new LineGuard(limits);
        const out = [...pieces.map(piece => Buffer.from(guard.push(piece))), Buffer.from(guard.end())];
        const bytes = Buffer.concat(out);
        assert.equal(guard.sizeBytes, bytes.length);
        assert.ok(bytes.length <= limits.messageBytes);
        return Buffer.concat([bytes, Buffer.from(`|${guard.beginsFolded}|${guard.releaseMark}`)]);
      });
    const bytes = Buffer.from(text, 'latin1');
    const pieces = cut(bytes, luck);
    const [whole, parts] = [through([bytes]), through(pieces)];
    // Which of two reasons is met first may depend on the cut; that there is one may not.
    if (/^5\d\d /.test(whole) || /^5\d\d /.test(parts))
      assert.ok(/^5\d\d /.test(whole) && /^5\d\d /.test(parts), JSON.stringify([text, whole, parts]));
    else {
      assert.equal(parts, whole, JSON.stringify(text));
      assert.equal(
        whole.slice(0, whole.lastIndexOf('|', whole.lastIndexOf('|') - 1)),
        text.replace(/\r\n|\r|\n/g, '\r\n'),
      );
    }
  }
});

test('forged fields are found however the bytes are cut, and what is kept is in order', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(4000); i++) {
    const text = luck.text(PIECES, 14).replace(/\r\n|\r|\n/g, '\r\n');
    const filtered = (pieces: readonly Buffer[]) => {
      const filter = new HeaderFilter(HOST);
      const kept = pieces.flatMap(piece => filter.push(piece).map(one => Buffer.from(one)));
      return Buffer.concat([...kept, ...filter.end()]).toString('latin1');
    };
    const bytes = Buffer.from(text, 'latin1');
    const whole = filtered([bytes]);
    assert.equal(filtered(cut(bytes, luck)), whole, JSON.stringify(text));
    // Once is enough: nothing that stays together by the filter's own work is forged again.
    assert.equal(filtered([Buffer.from(whole, 'latin1')]), whole, JSON.stringify(text));
    const head = whole.startsWith('\r\n') ? '' : (whole.split('\r\n\r\n')[0] ?? '');
    assert.doesNotMatch(head, /(?:^|\r\n)x-spam-flag/i, JSON.stringify(text));
    if (whole === '') continue;
    const lines = whole.replace(/\r\n$/, '').split('\r\n');
    let at = 0;
    for (const line of text.split('\r\n')) if (line === lines[at]) at++;
    assert.equal(at, lines.length, JSON.stringify(text));
  }
});

test('the digest of a release mark is the same however the bytes are cut', async t => {
  const luck = chance(t);
  const digest = (pieces: readonly Buffer[]) =>
    markDigest(
      (async function* () {
        yield* pieces;
      })(),
    );
  for (let i = 0; i < rounds(1500); i++) {
    const text = luck.text(PIECES, 10).replace(/\r\n|\r|\n/g, '\r\n');
    const bytes = Buffer.from(text, 'latin1');
    const whole = await digest([bytes]);
    assert.equal(await digest(cut(bytes, luck)), whole, JSON.stringify(text));
    assert.equal(await digest([bytes, Buffer.from('\r\n\r\n')]), await digest([bytes, Buffer.from('\r\n')]));
    if (!text.includes('\r\n\r\n')) continue;
    assert.equal(await digest([Buffer.from(`X-Any: field\r\n${text}`, 'latin1')]).then(Boolean), true);
    assert.notEqual(await digest([Buffer.concat([bytes, Buffer.from('x')])]), whole);
  }
});

test('the arguments of MAIL and RCPT are an envelope or a refusal by name', t => {
  const luck = chance(t);
  const pieces = [
    ...[
      '<a@b.example>',
      '<>',
      '<',
      '>',
      '"',
      '\\',
      '@',
      ' ',
      '\t',
      '\r',
      '\n',
      '\0',
      'ü',
      '\u202e',
      '\ud800',
      '<postmaster>',
    ],
    ...[
      ' SIZE=1',
      ' SIZE=99999999999999999999',
      ' SIZE=',
      ' BODY=8BITMIME',
      ' BODY=BINARYMIME',
      ' SMTPUTF8',
      ' SMTPUTF8=1',
      ' X=y',
      '=',
      'SIZE',
      ' AUTH=<>',
    ],
    ...['a'.repeat(600), '[192.0.2.1]', '<@a,@b:c@d.example>', '<a%b@c.example>', '<a!b@c.example>'],
  ];
  let [read, refused] = [0, 0];
  for (let i = 0; i < rounds(15_000); i++) {
    const raw = luck.text(pieces, 6);
    try {
      const mail = parseMailArguments(raw);
      assert.ok(mail.declaredSize === null || mail.declaredSize >= 0);
      const { address } = mail.mailFrom;
      if (address !== null) assert.ok(address.domain !== '' && (mail.smtpUtf8 || /^[\x20-\x7e]*$/.test(address.text)));
      const rcpt = parseRcptArguments(raw.replace(/ .*/s, ''));
      assert.doesNotMatch(rcpt.address.text, /[\r\n\0]/);
      read++;
    } catch (error) {
      assert.ok(error instanceof MailError && error.reply.code >= 500, String(error));
      refused++;
    }
    const argument = commandArgument(
      `${luck.pick(['mail from:', 'MAIL FROM: ', 'MAIL  FROM:', 'RCPT TO:'])}${raw}`,
      'MAIL FROM',
    );
    assert.ok(argument === null || raw.endsWith(argument));
  }
  assert.ok(read > rounds(50) && refused > rounds(50), `${read} read, ${refused} refused`);
});

test('another server’s words become one line of a reply, and never close or confuse our session', t => {
  const luck = chance(t);
  const pieces = [
    '\r\n',
    '\r',
    '\n',
    '\0',
    '\x1b[2J',
    'ü',
    '😀',
    '\ud800',
    '250 ',
    '550-',
    'ok',
    'x'.repeat(500),
    '\u2028',
    '"',
  ];
  for (let i = 0; i < rounds(8000); i++) {
    const said = {
      code: luck.pick([luck.below(1000), 421, 250, 354, 450, 550, 999, -1]),
      enhanced: luck.pick([null, '5.1.1', '4.2.2', '2.0.0', '5.1', '5.1.1\r\n', '9.9.9']),
      text: luck.text(pieces, 6),
    };
    const reply = mirrored(said, luck.below(2) === 0);
    const line = replyText(reply);
    assert.match(line, /^[45]\d\d [45]\.\d{1,3}\.\d{1,3} [\x20-\x7e]{1,400}$/);
    assert.equal(line[0], line[4]);
    assert.notEqual(reply.code, 421);
    assert.ok(hopWords(said).startsWith(String(said.code)));
  }
});

test('ids say their time, sort by it, and nothing else is one', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(5000); i++) {
    const ms = Math.floor(luck.next() * 2 ** luck.pick([20, 41, 47]));
    const bytes = Uint8Array.from({ length: 5 }, () => luck.below(256));
    const id = mailId(ms, bytes);
    assert.ok(isMailId(id) && timeOf(id) === ms);
    assert.ok(mailId(ms + 1, bytes) > id);
    assert.ok(!isMailId(`${id}\n`) && !isMailId(` ${id}`) && !isMailId(id.toUpperCase().replace(/^0+/, 'O')));
    assert.ok(isCopyId(`${id}-${1 + luck.below(9999)}`) && !isCopyId(`${id}-0`) && !isCopyId(`${id}-1\n`));
    assert.ok(!isMailId(luck.text([...'0123abcilou-./\\', '\0'], 19).padEnd(18, 'u')));
  }
});
