// Real mail, damaged where it has its joints, through everything a message goes through in turn: guard, threads' reading and
// rules, report, decision, header block, forged fields, dots, next hop. Nothing throws, every bound holds, and the bytes that
// come out are those that went in.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { DotStuffer } from '../../src/delivery/dot-stuffer.ts';
import { LineGuard } from '../../src/gateway/intake/line-guard.ts';
import { DotReader } from '../../src/gateway/smtp/dot-reader.ts';
import { MailError } from '../../src/mail/error.ts';
import { HeaderFilter } from '../../src/mail/forged.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import { stamp } from '../../src/mail/stamp.ts';
import { decide } from '../../src/mail/verdict.ts';
import { DEFAULT_LIMITS } from '../../src/message/limits.ts';
import { ANSWER_MAX_BYTES, decodeAnswer, encodeAnswer } from '../../src/pipeline/answer.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { loadRules } from '../../src/rules/load.ts';
import { createCombine } from '../../src/rules/report.ts';
import { compiled, sqliteQueries } from '../../src/store/queries.ts';
import { recordSteps } from '../../src/store/record-rows.ts';
import { expandBytes } from '../../src/thread.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { ledgerRecord, SAMPLE_POLICY, spoolEntry } from '../support/sample-record.ts';
import { SHAPES } from './hostile-mail.ts';

const ROOT = join(import.meta.dirname, '../..');
const HOST = 'mx.example.com';
const ID = mailId(1_700_000_000_000, new Uint8Array(5));
const OWN = ['example.org'];
const SIZE_MAX = 150_000;

/** A few messages of each folder, spread over it, and the hostile forms in small. */
function seeds(): string[] {
  const small = SHAPES.map(({ make }) => make(3000));
  const folders = ['corpora/business', 'corpora/phishing', 'corpora/direct-spam', 'corpora/lists', 'suites/mime'];
  const real = folders.flatMap(folder => {
    const path = join(ROOT, '../shared', folder);
    if (!existsSync(path)) return [];
    const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter(file => /\.(?:eml|msg)$/.test(file))
      .sort();
    const step = Math.max(1, Math.floor(files.length / 25));
    return files.filter((_, i) => i % step === 0).map(file => readFileSync(join(path, file), 'latin1'));
  });
  return [...small, ...real].filter(text => text.length < SIZE_MAX);
}

const TYPES = [
  'text/plain',
  'text/html',
  'multipart/mixed; boundary=x',
  'message/rfc822',
  'multipart/digest; boundary="="',
  'application/zip; name="a.zip"',
  'text/plain; charset=utf-7',
  'text/html; charset=utf-16',
  'text/plain; charset=iso-2022-jp',
  '/',
  'text',
];
const ENCODINGS = ['base64', 'quoted-printable', '7bit', 'x-uuencode', 'BASE64 (c)', '"base64"'];

/** At the joints: fields, boundaries, encodings, the empty line. */
function damaged(text: string, other: string, luck: Chance): string {
  const end = text.indexOf('\r\n\r\n');
  const [head, body] = end === -1 ? [text, ''] : [text.slice(0, end + 2), text.slice(end + 4)];
  const fields = head.split(/(?<=\r\n)(?![ \t])/);
  const at = luck.below(Math.max(1, fields.length));
  const boundary = /boundary="?([^";\r\n]+)/i.exec(text)?.[1] ?? 'x';
  const otherHead = other.split('\r\n\r\n')[0] ?? '';
  switch (luck.below(14)) {
    case 0:
      return `${otherHead}\r\n\r\n${body}`;
    case 1:
      return `${fields.filter((_, i) => i !== at).join('')}\r\n${body}`;
    case 2:
      return `${fields.toSpliced(at, 0, fields[luck.below(fields.length)] ?? '').join('')}\r\n${body}`;
    case 3:
      return `Content-Type: ${luck.pick(TYPES)}\r\n${text}`;
    case 4:
      return text.replace(/^content-type:[^\r]*/im, `Content-Type: ${luck.pick(TYPES)}`);
    case 5:
      return text.replace(
        /^content-transfer-encoding:[^\r]*/gim,
        () => `Content-Transfer-Encoding: ${luck.pick(ENCODINGS)}`,
      );
    case 6:
      return text.replaceAll(`--${boundary}`, line =>
        luck.below(3) === 0 ? luck.pick(['', '--', `${line}--`, `${line} `, `\r\n${line}`]) : line,
      );
    case 7:
      return `Subject: outer\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: ${luck.pick(ENCODINGS)}\r\n\r\n${luck.below(2) === 0 ? text : Buffer.from(text, 'latin1').toString('base64')}`;
    case 8:
      return `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n${text}\r\n--${boundary}\r\n${other}\r\n`;
    case 9:
      return text.slice(0, luck.below(text.length + 1));
    case 10:
      return `${head.replace(/\r\n/g, () => luck.pick(['\r\n', '\r\n', '\n', '\r', '\r\n ', '\r\n\r\n']))}\r\n${body}`;
    case 11:
      return text.replace(/=([0-9A-F]{2})/g, (all, hex: string) =>
        luck.pick([all, `=${hex.toLowerCase()}`, '=', `=\r\n${hex}`]),
      );
    case 12: {
      const from = luck.below(text.length + 1);
      return (
        text.slice(0, from) +
        luck.pick(['\0', '\r', '\n', '.\r\n', '\r\n.\r\n', '\xff', '=?utf-8?b?', '<!--', '"', '(']) +
        text.slice(from)
      );
    }
    default:
      return `X-Spam-Flag: NO\r\nAuthentication-Results: ${HOST}; dkim=pass\r\n${text}`;
  }
}

test('real mail, damaged, goes the whole way', t => {
  const luck = chance(t);
  const source = loadRules([join(ROOT, 'rules')]);
  const set = compileRules(source);
  const combine = createCombine(set, OWN);
  const db = sqliteQueries();
  const all = seeds();
  t.diagnostic(`${all.length} messages`);
  let refused = 0;
  for (let i = 0; i < rounds(250); i++) {
    let text = luck.pick(all);
    for (let n = luck.below(4); n >= 0; n--) text = damaged(text, luck.pick(all), luck).slice(0, SIZE_MAX);
    const bytes = guarded(text);
    if (bytes === null) {
      refused++;
      continue;
    }
    const entry = { ...spoolEntry(ID), sizeBytes: bytes.length };
    const expanded = expandBytes(bytes, entry, { set, data: { source, ownDomains: OWN, limits: DEFAULT_LIMITS } });
    assert.ok(expanded.findings.length <= 500);
    const run = {
      scanner: 'rules',
      ms: 1,
      findings: expanded.findings,
      ...(expanded.facts === undefined ? {} : { facts: expanded.facts }),
    };
    const report = combine(entry, [run], expanded.summary);
    assert.ok(Number.isFinite(report.score));
    const sent = encodeAnswer({ kind: 'report', report });
    assert.ok(Buffer.byteLength(sent) <= ANSWER_MAX_BYTES);
    assert.deepEqual(decodeAnswer(ID, sent), { kind: 'report', report });
    const verdict = decide(report, SAMPLE_POLICY);
    const block = stamp({
      ...ledgerRecord({ id: ID }),
      hostname: HOST,
      envelope: entry.envelope,
      report,
      verdict,
      requiredScore: 5,
      receivedAt: 0,
    });
    for (const line of block.slice(0, -2).split('\r\n')) assert.match(line, /^[\x20-\x7e\t]{1,998}$/);
    const rows = recordSteps(db, { ...ledgerRecord({ id: ID, entry }), report, verdict }).map(compiled);
    assert.ok(JSON.stringify(rows.map(row => row.parameters)).length < 300_000);
    checkDelivery(bytes, block);
  }
  assert.ok(refused < rounds(250) / 2, `${refused} were refused`);
});

function guarded(text: string): Buffer | null {
  const guard = new LineGuard({
    messageBytes: 10 * SIZE_MAX,
    receivedHeaders: 50,
    ownReceived: 3,
    bareNewlines: 'normalize',
    hostname: HOST,
  });
  try {
    const bytes = Buffer.concat([guard.push(Buffer.from(text, 'latin1')), guard.end()]);
    assert.doesNotMatch(bytes.toString('latin1'), /\r(?!\n)|(?<!\r)\n|\0/);
    return bytes;
  } catch (error) {
    assert.ok(error instanceof MailError, String(error));
    return null;
  }
}

/** What the next hop reads is the block, and the message without forged fields (I2). */
function checkDelivery(bytes: Buffer, block: string): void {
  const filter = new HeaderFilter(HOST);
  const kept = Buffer.concat([...filter.push(bytes), ...filter.end()]).toString('latin1');
  const head = kept.startsWith('\r\n') ? '' : (kept.split('\r\n\r\n')[0] ?? '');
  assert.doesNotMatch(head, /(?:^|\r\n)x-(?:spam|postern)-[^\r\n:]*:/i);
  const stuffer = new DotStuffer();
  const wire = Buffer.concat([stuffer.push(Buffer.from(block + kept, 'latin1')), Buffer.from(stuffer.end())]);
  const { content, behind } = new DotReader().read(Buffer.concat([wire, Buffer.from('QUIT')]));
  assert.equal(behind?.toString('latin1'), 'QUIT');
  const expected = block + kept;
  assert.equal(content.toString('latin1'), expected.endsWith('\r\n') ? expected : `${expected}\r\n`);
}
