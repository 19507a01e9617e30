import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findingsOf, parseVersion } from '../../../../src/scanners/clamav/answer.ts';

const CASES = [
  ['stream: OK\0', 'clean'],
  ['stream: OK', 'clean'],
  ['stream: Eicar-Test-Signature FOUND\0', 'malware'],
  ['stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0', 'malware'],
  ['stream: Heuristics.Encrypted.Zip FOUND\0', 'unscannable'],
  ['stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0', 'unscannable'],
  ['stream: Heuristics.OLE2.ContainsMacros FOUND\0', 'hit'],
  ['stream: Heuristics.Phishing.Email.SpoofedDomain FOUND\0', 'hit'],
  ['INSTREAM size limit exceeded. ERROR\0', 'unscannable'],
  ['', 'unavailable'],
  ['stream: ', 'unavailable'],
  ['stream: OKAY\0', 'unavailable'],
  ['stream: OK\0stream: OK\0', 'unavailable'],
  ['stream: A FOUND\0stream: OK\0', 'unavailable'],
  ['other: OK\0', 'unavailable'],
  ['stream: two words FOUND\0', 'unavailable'],
  [' stream: OK\0', 'unavailable'],
  ['UNKNOWN COMMAND\0', 'unavailable'],
  ['COMMAND READ TIMED OUT\0', 'unavailable'],
  ["stream: Can't allocate memory ERROR\0", 'unavailable'],
  ['HTTP/1.1 400 Bad Request: OK\r\n\r\n', 'unavailable'],
] as const;

for (const [reply, kind] of CASES) {
  test(`${JSON.stringify(reply)} is ${kind}`, () => {
    assert.deepEqual(
      findingsOf(reply).map(finding => finding.kind),
      kind === 'clean' ? [] : [kind],
    );
  });
}

test('the signature is named', () => {
  assert.deepEqual(findingsOf('stream: Eicar-Test FOUND\0'), [{ kind: 'malware', signature: 'Eicar-Test', part: '' }]);
  const [heuristic] = findingsOf('stream: Heuristics.Broken.Executable FOUND\0');
  assert.ok(heuristic?.kind === 'hit');
  assert.deepEqual([heuristic.symbol, heuristic.evidence], ['CLAMAV_HEURISTIC', 'Heuristics.Broken.Executable']);
});

test('the version says which signatures there are and how old', () => {
  assert.deepEqual(parseVersion('ClamAV 1.4.6/27500/Mon Nov 23 09:00:00 2026\n'), {
    program: 'ClamAV 1.4.6',
    database: 27500,
    builtAt: Date.UTC(2026, 10, 23, 9),
  });
  assert.deepEqual(parseVersion('ClamAV 1.4.6\n'), { program: 'ClamAV 1.4.6', database: null, builtAt: null });
  for (const text of ['', 'SSH-2.0-OpenSSH\r\n', 'ClamAV', `ClamAV ${'1'.repeat(5000)}`]) {
    assert.equal(parseVersion(text), null);
  }
});
