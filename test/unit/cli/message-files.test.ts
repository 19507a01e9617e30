import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UsageError } from '../../../src/cli/exit.ts';
import { messageFiles, openedMessage, withWorkFolder } from '../../../src/cli/message-files.ts';
import { readWhole } from '../../../src/platform/content.ts';
import { testFolder } from '../../support/postern.ts';

const AS = {
  clientAddress: '192.0.2.1',
  helo: 'client.example',
  mailFrom: null,
  rcptTo: { text: 'postmaster', localPart: 'postmaster', domain: '' },
};

test('files come in the order they are named, those of a folder by name and with the folders below', async t => {
  const folder = testFolder(t, 'files');
  mkdirSync(join(folder, 'b/deep'), { recursive: true });
  for (const name of ['z', 'b/2', 'b/1', 'b/deep/0']) writeFileSync(join(folder, name), '');
  symlinkSync('/etc/passwd', join(folder, 'b/link'));
  const found = await messageFiles([join(folder, 'z'), '-', join(folder, 'b')]);
  assert.deepEqual(
    found.map(path => path.replace(folder, '')),
    ['/z', '-', '/b/1', '/b/2', '/b/deep/0'],
    'a link in a folder is not followed',
  );
});

test('what is not there is a usage error that names it', async () => {
  await assert.rejects(messageFiles(['/nowhere/mail.eml']), {
    name: UsageError.name,
    message: '/nowhere/mail.eml: there is no such file or folder',
  });
});

const LINE_ENDS: readonly (readonly [string, string])[] = [
  ['a: b\n\nc\n', 'a: b\r\n\r\nc\r\n'],
  ['a: b\r\n\r\nc', 'a: b\r\n\r\nc'],
  ['a: b\r\rc\r\n', 'a: b\r\n\r\nc\r\n'],
  ['a: \u00fc\n', 'a: \u00fc\r\n'],
  ['', ''],
];

test('scanners get CRLF line ends and otherwise the same bytes, as the gateway does (I10)', async t => {
  const folder = testFolder(t, 'files');
  const file = join(folder, 'm.eml');
  for (const [given, expected] of LINE_ENDS) {
    writeFileSync(file, given);
    await withWorkFolder(async work => {
      const entry = await openedMessage(file, work, AS);
      assert.equal(Buffer.from(await readWhole(entry.content)).toString(), expected);
      assert.equal(entry.sizeBytes, Buffer.byteLength(expected));
      assert.equal(entry.envelope.mailFrom.raw, '<>');
    });
  }
});

test('copies are gone afterwards, also where the work failed, and nobody else may read them', async t => {
  const file = join(testFolder(t, 'files'), 'm.eml');
  writeFileSync(file, 'a: b\n'.repeat(300_000));
  let seen = '';
  const work = withWorkFolder(async folder => {
    const { content } = await openedMessage(file, folder, AS);
    assert.ok('path' in content, 'a large one');
    seen = content.path;
    assert.ok(existsSync(seen));
    throw new Error('no');
  });
  await assert.rejects(work, /no/);
  assert.ok(seen !== '' && !existsSync(seen));
  assert.equal(process.listenerCount('SIGINT'), 0, 'Ctrl-C does what it did before');
});
