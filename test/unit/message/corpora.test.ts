// Real mail, where it lies beside the project: a sample of every folder is read, and compared with what mailparser
// makes of it. Nothing of a message is printed: people wrote them.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { simpleParser } from 'mailparser';

import { DEFAULT_LIMITS } from '../../../src/message/limits.ts';
import { readMessage } from '../../../src/message/read.ts';
import { summarise } from '../../../src/message/summary.ts';

const CORPORA = join(import.meta.dirname, '../../../../shared/corpora');
const FOLDERS = ['spamassassin', 'csdmc2010', 'phishing', 'direct-spam', 'business', 'lists'];

interface Mail {
  readonly file: string;
  readonly isHam: boolean;
  readonly bytes: Buffer;
}

/** About `each` messages of every folder, evenly spread, always the same. */
function sample(t: TestContext, each: number): readonly Mail[] {
  if (!existsSync(CORPORA)) {
    t.skip('no mail at ../shared/corpora');
    return [];
  }
  return FOLDERS.flatMap(name => ['ham', 'spam'].map(kind => `${name}/${kind}`))
    .filter(folder => existsSync(join(CORPORA, folder)))
    .flatMap(folder => {
      const files = readdirSync(join(CORPORA, folder))
        .filter(file => file.endsWith('.eml'))
        .sort();
      const step = Math.max(1, Math.floor(files.length / each));
      return files
        .filter((_, i) => i % step === 0)
        .map(file => ({
          file: `${folder}/${file}`,
          isHam: folder.endsWith('/ham'),
          bytes: readFileSync(join(CORPORA, folder, file)),
        }));
    });
}

test('real mail is read within every budget, and next to no ham has defects', t => {
  const mails = sample(t, 40);
  let hamWithDefects = 0;
  for (const { file, isHam, bytes } of mails) {
    const message = readMessage(bytes, DEFAULT_LIMITS);
    assert.deepEqual(message.problems(), [], file);
    assert.ok(message.text().endsWith('\n'), file);
    assert.ok(message.parts[0]?.bodyEnd === bytes.length, file);
    assert.ok(summarise(message).from.length <= 10, file);
    if (isHam && message.defects().length > 0) hamWithDefects++;
  }
  const ham = mails.filter(mail => mail.isHam).length;
  assert.ok(hamWithDefects <= ham / 50, `${hamWithDefects} of ${ham} ham have defects`);
});

/**
 * What mailparser does otherwise, by intent; in a sample of 506 messages it was these two and no other:
 * it shows a named text/html that is inline as text and does not list it, and joins message/delivery-status to the text.
 */
const ATTACHMENTS_TOLERATED = 0.01;

test('subject and number of attachments are as mailparser has them', async t => {
  const mails = sample(t, 25);
  const subjects: string[] = [];
  const attachments: string[] = [];
  for (const { file, bytes } of mails) {
    const theirs = await simpleParser(bytes, { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true });
    const ours = readMessage(bytes, DEFAULT_LIMITS);
    const subject = ours.headers.find(header => header.name.toLowerCase() === 'subject')?.value ?? '';
    if (folded(subject) !== folded(theirs.subject ?? '')) subjects.push(file);
    if (ours.attachments().length !== theirs.attachments.length) attachments.push(file);
  }
  assert.deepEqual(subjects, []);
  assert.ok(attachments.length <= mails.length * ATTACHMENTS_TOLERATED, attachments.join(', '));
});

function folded(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
