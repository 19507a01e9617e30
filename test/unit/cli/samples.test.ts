import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { samples } from '../../../src/cli/samples.ts';
import { DEFAULT_LIMITS } from '../../../src/message/limits.ts';
import { readMessage } from '../../../src/message/read.ts';

const DATE = 'Mon, 23 Nov 2026 12:00:00 +0000';

test('the samples are messages of the own domain, with CRLF and their own Message-IDs', () => {
  const all = samples('own.example', DATE);
  assert.deepEqual(
    all.map(sample => sample.name),
    [
      'plain mail',
      'newsletter',
      'GTUBE, the test spam',
      'EICAR, the test virus',
      'from outside, with your own address',
    ],
  );
  for (const { name, rcptTo, content } of all) {
    assert.equal(rcptTo, 'you@own.example');
    assert.doesNotMatch(content, /(?<!\r)\n|\r(?!\n)/, `${name} has bare newlines`);
    assert.match(content, /^Date: Mon, 23 Nov 2026 12:00:00 \+0000\r$/m);
  }
  assert.equal(new Set(all.map(({ content }) => /^Message-ID: .*$/m.exec(content)?.[0])).size, all.length);
});

test('the virus is an attachment that a decoder finds, and the forged one claims the own domain', () => {
  const [, , , virus, forged] = samples('own.example', DATE);
  const message = readMessage(Buffer.from(virus?.content ?? ''), DEFAULT_LIMITS);
  assert.match(message.text(), /See the attachment/);
  const encoded = /base64\r\n\r\n(\S+)\r\n/.exec(virus?.content ?? '')?.[1] ?? '';
  assert.match(Buffer.from(encoded, 'base64').toString('latin1'), /^X5O!P%@AP.*H\+H\*$/);
  assert.match(forged?.content ?? '', /^From: The Director <director@own\.example>\r$/m);
  assert.doesNotMatch(forged?.mailFrom ?? '', /own\.example/);
});

test('the file of the samples sets off no scanner itself', () => {
  const source = readFileSync(join(import.meta.dirname, '../../../src/cli/samples.ts'), 'utf8');
  assert.doesNotMatch(source, /EICAR-STANDARD-ANTIVIRUS|GTUBE-STANDARD-ANTI/);
});
