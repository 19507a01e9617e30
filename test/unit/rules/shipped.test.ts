// The rules that are shipped: sound, with examples, and fair to honest mail.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { type Finding, hit } from '../../../src/mail/finding.ts';
import { DEFAULT_LIMITS } from '../../../src/message/limits.ts';
import { readMessage } from '../../../src/message/read.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { contextOf } from '../../../src/rules/example.ts';
import { lintRules } from '../../../src/rules/load.ts';
import { createCombine } from '../../../src/rules/report.ts';
import { passOver } from '../../support/require.ts';
import { entryOf, judge } from '../../support/rules.ts';

const ROOT = join(import.meta.dirname, '../../..');
const CORPORA = join(ROOT, '../shared/corpora');
/** Each so many-th message: seconds, not minutes. */
const STEP = 12;

const linted = lintRules([join(ROOT, 'rules')]);
const set = linted.source === null ? null : compileRules(linted.source);

test('the shipped rules have no problem, and not even a warning', () => {
  assert.deepEqual(linted.problems, []);
  assert.deepEqual(linted.warnings, []);
  assert.ok((set?.rules.size ?? 0) >= 100);
});

test('every defect that the reader of messages can state has points', async () => {
  const { DEFECTS } = await import('../../../src/message/defects.ts');
  const unknown = Object.keys(DEFECTS).filter(symbol => set?.rules.get(symbol)?.when !== null);
  assert.deepEqual(unknown, []);
});

test('GTUBE is refused', () => {
  assert.ok(set !== null);
  const raw = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';
  assert.ok(judge(set, { subject: 'test', raw }).score >= 15);
});

const FORGED = {
  from: 'The Boss <boss@own.example>',
  to: 'ann@own.example',
  'header Date': 'x',
  'header Message-ID': '<1@a.example>',
  'mail-from': 'x@elsewhere.example',
};
const FRAUD = {
  ...FORGED,
  subject: 'Urgent',
  text: 'Are you available? I need you to buy gift cards, scratch them and send me the codes.',
};
const LIST = { 'header List-Id': '<talk.list.example>', 'header List-Post': '<mailto:talk@list.example>' };
const DENIED: Finding[] = [hit('SPF_NONE'), hit('DKIM_NONE'), hit('DMARC_NONE')];

test('a forged own domain is tagged, and with the words of a fraud held', () => {
  assert.ok(set !== null);
  assert.ok(judge(set, FORGED, DENIED).score >= 5);
  assert.ok(judge(set, FRAUD, DENIED).score >= 8);
});

test('our own domain by a mailing list is let through, but not the words of a fraud', () => {
  assert.ok(set !== null);
  assert.ok(judge(set, { ...FORGED, ...LIST, text: 'See you on Monday.' }, DENIED).score < 5);
  assert.ok(judge(set, { ...FRAUD, ...LIST }, DENIED).score >= 5);
});

test('our own domain that is proven gets nothing', () => {
  assert.ok(set !== null);
  assert.ok(
    judge(set, { ...FORGED, text: 'See you on Monday.' }, [hit('SPF_FAIL'), hit('DKIM_PASS'), hit('DMARC_PASS')])
      .score < 3,
  );
});

test('while DNS is away a message from our own domain is not held for that alone', () => {
  assert.ok(set !== null);
  assert.ok(judge(set, FORGED, [hit('SPF_TEMPERROR'), hit('DMARC_TEMPERROR')]).score < 5);
});

for (const [corpus, mostTagged] of [
  ['spamassassin/ham', 0.004],
  ['csdmc2010/ham', 0.004],
  ['lists/ham', 0.004],
  ['business/ham', 0.07],
] as const) {
  test(`honest mail of ${corpus} is hardly ever tagged`, t => {
    const folder = join(CORPORA, corpus);
    if (!existsSync(folder)) {
      passOver(t, `not here: ${folder}`);
      return;
    }
    const files = readdirSync(folder).filter((_, i) => i % STEP === 0);
    const tagged = files.filter(file => scoreOf(readFileSync(join(folder, file))) >= 5);
    assert.ok(
      tagged.length <= Math.ceil(files.length * mostTagged),
      `${tagged.length} of ${files.length}: ${tagged.join(' ')}`,
    );
  });
}

test('spam of the corpora is found', t => {
  const folder = join(CORPORA, 'spamassassin/spam');
  if (!existsSync(folder)) {
    passOver(t, `not here: ${folder}`);
    return;
  }
  const files = readdirSync(folder).filter((_, i) => i % STEP === 0);
  const tagged = files.filter(file => scoreOf(readFileSync(join(folder, file))) >= 5);
  assert.ok(tagged.length > files.length * 0.3, `${tagged.length} of ${files.length}`);
});

function scoreOf(raw: Uint8Array): number {
  assert.ok(set !== null);
  const message = readMessage(raw, DEFAULT_LIMITS);
  const { hits, facts } = set.match(message, contextOf({}));
  const defects = message.defects().map(one => hit(one.symbol, one.evidence));
  return createCombine(set, [])(
    entryOf({}),
    [{ scanner: 'rules', ms: 0, findings: [...hits, ...defects], facts }],
    null,
  ).score;
}

test('no message makes the shipped rules slow', () => {
  assert.ok(set !== null);
  for (const pump of ['a', '1', ' ', '>', '\u200bа', '<!--', '<font ', '&#99;', '@', '(', 'password ', 'v1']) {
    const [line, text] = [pump.repeat(9000 / pump.length), pump.repeat(300_000 / pump.length)];
    const fields = Object.fromEntries(
      ['from', 'reply-to', 'to', 'subject', 'header Message-ID', 'header In-Reply-To'].map(name => [name, line]),
    );
    const many = Array(300).fill({ url: `http://${line.slice(0, 8000)}`, shown: line });
    const started = process.cpuUsage();
    judge(set, { ...fields, text, raw: text, link: many, attachment: Array(300).fill(`${line.slice(0, 250)}.zip`) });
    const { user } = process.cpuUsage(started);
    assert.ok(user < 1_000_000, `${JSON.stringify(pump)}: ${user / 1000} ms of CPU`);
  }
});
