import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { NoError, UsageError } from '../../../src/cli/exit.ts';
import { printRaw } from '../../../src/cli/raw-message.ts';
import { testFolder } from '../../support/postern.ts';

const BYTES = Buffer.concat([Buffer.from('Subject: \x1b[2J\r\n\r\n'), Buffer.alloc(200_000, 0xff)]);

async function printed(t: TestContext, { isTTY, isForced }: { isTTY: boolean; isForced: boolean }): Promise<Buffer> {
  const path = join(testFolder(t, 'raw'), 'message.eml');
  writeFileSync(path, BYTES);
  const out = Object.assign(new PassThrough(), { isTTY });
  const all = buffer(out);
  await printRaw(path, isForced, out).finally(() => out.end());
  return all;
}

test('a message goes out byte for byte, to a pipe, and to a terminal where that is wished', async t => {
  assert.ok(BYTES.equals(await printed(t, { isTTY: false, isForced: false })));
  assert.ok(BYTES.equals(await printed(t, { isTTY: true, isForced: true })));
});

test('a terminal gets nothing of it unasked', async t => {
  await assert.rejects(printed(t, { isTTY: true, isForced: false }), UsageError);
});

test('bytes that are not there are told', async () => {
  await assert.rejects(printRaw('/nonexistent/message.eml', false, new PassThrough()), NoError);
});
