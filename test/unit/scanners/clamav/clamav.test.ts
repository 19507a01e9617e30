import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import type { Finding } from '../../../../src/mail/finding.ts';
import { type ClamavOptions, createClamav } from '../../../../src/scanners/clamav/clamav.ts';
import { parseClamdAddress } from '../../../../src/scanners/clamav/clamd-link.ts';
import { type RealClamd, startClamd } from '../../../support/clamd.ts';
import { startFakeClamd } from '../../../support/fake-clamd.ts';
import { heldBytes } from '../../../support/memory.ts';
import { findProgram, needs } from '../../../support/require.ts';
import { type MessageFolder, messageFolder } from '../../../support/scan-task.ts';
import { EICAR, withEicar } from '../../../support/send.ts';

const OPTIONS = {
  maxBytes: 20_000_000,
  maxConcurrent: 8,
  maxBytesInFlight: 100_000_000,
  hasOnlyOwnSignatures: () => false,
  maxSignatureAgeMs: 7 * 86_400_000,
  now: () => Date.UTC(2026, 10, 25),
};
const later = () => AbortSignal.timeout(10_000);

let folder: MessageFolder;
before(async () => {
  folder = await messageFolder();
});
after(() => folder.remove());

describe('with a real clamd', () => {
  let clamd: RealClamd | null = null;
  before(async () => {
    if (findProgram('clamd') !== null) clamd = await startClamd(['StreamMaxLength 1M']);
  });
  after(async () => clamd?.stop());

  async function scan(message: string | Uint8Array, changes: Partial<ClamavOptions> = {}): Promise<readonly Finding[]> {
    const scanner = createClamav({ ...OPTIONS, address: { path: clamd?.path ?? '' }, ...changes });
    const findings = await scanner.scan(await folder.task({ message }), later());
    await scanner.close();
    return findings;
  }

  test('a plain message is clean, over the unix socket and over TCP', async t => {
    if (!needs(t, 'clamd')) return;
    assert.deepEqual(await scan('Subject: hello\r\n\r\nGood morning\r\n'), []);
    assert.deepEqual(await scan('Subject: hello\r\n\r\nGood morning\r\n', { address: tcp() }), []);
  });

  test('the EICAR test file is found, alone and inside a message', async t => {
    if (!needs(t, 'clamd')) return;
    const found = [{ kind: 'malware', signature: 'Eicar-Test.UNOFFICIAL', part: '' }];
    assert.deepEqual(await scan(EICAR), found);
    assert.deepEqual(await scan(withEicar('test')), found);
  });

  test('what exceeds StreamMaxLength can never be scanned, known beforehand or told by clamd', async t => {
    if (!needs(t, 'clamd')) return;
    const large = Buffer.alloc(3_000_000, 'Good morning\r\n');
    const expected = [{ kind: 'unscannable', reason: 'too large for the virus scanner', part: '' }];
    assert.deepEqual(await scan(large, { maxBytes: 1_000_000 }), expected);
    // Many times: clamd resets the connection after its words, and they must not get lost.
    for (let i = 0; i < 10; i++) {
      assert.deepEqual(await scan(large), expected);
      assert.deepEqual(await scan(large, { address: tcp() }), expected);
    }
  });

  test('our own test signature alone is no answer: the policy decides, and what it finds is found', async t => {
    if (!needs(t, 'clamd')) return;
    const missing = { kind: 'unavailable', scanner: 'clamav', reason: 'no virus signatures: run freshclam' };
    const hasOnlyOwnSignatures = () => true;
    assert.deepEqual(await scan('Subject: hello\r\n\r\n', { hasOnlyOwnSignatures }), [missing]);
    assert.deepEqual(await scan('', { hasOnlyOwnSignatures }), [missing]);
    const [found, ...others] = await scan(EICAR, { hasOnlyOwnSignatures });
    assert.equal(found?.kind, 'malware');
    assert.deepEqual(others, [missing]);
  });

  test('no signatures is said of every message where the demo goes on without, and health is down', async t => {
    if (!needs(t, 'clamd')) return;
    const demo = { hasOnlyOwnSignatures: () => true, ownSignaturesSuffice: true };
    const [remark, ...others] = await scan('Subject: hello\r\n\r\n', demo);
    assert.ok(remark?.kind === 'hit' && others.length === 0);
    assert.deepEqual([remark.symbol, remark.evidence], ['CLAMAV_NO_SIGNATURES', 'no virus signatures: run freshclam']);
    const scanner = createClamav({ ...OPTIONS, address: { path: clamd?.path ?? '' } });
    const { level, says, next } = await scanner.health();
    assert.deepEqual([level, next], ['down', 'run freshclam: what it brings is used without a restart']);
    assert.match(says, /^ClamAV \S+, no virus signatures$/);
    // Known from its version now.
    assert.equal((await scanner.scan(await folder.task(), later())).length, 1);
  });

  test('a clamd that is stopped gives no answer, and answers again when it goes on', async t => {
    if (!needs(t, 'clamd') || clamd === null) return;
    const scanner = createClamav({ ...OPTIONS, address: { path: clamd.path } });
    process.kill(clamd.pid, 'SIGSTOP');
    const [silent] = await scanner.scan(await folder.task(), AbortSignal.timeout(200));
    assert.equal(silent?.kind, 'unavailable');
    process.kill(clamd.pid, 'SIGCONT');
    assert.deepEqual(await scanner.scan(await folder.task(), later()), []);
  });

  function tcp(): { host: string; port: number } {
    return { host: '127.0.0.1', port: clamd?.port ?? 0 };
  }
});

describe('with a clamd of our own', () => {
  async function withFake(
    mode: Parameters<typeof startFakeClamd>[0],
    changes: Partial<ClamavOptions>,
    work: (
      scanner: ReturnType<typeof createClamav>,
      clamd: Awaited<ReturnType<typeof startFakeClamd>>,
    ) => Promise<void>,
  ): Promise<void> {
    const clamd = await startFakeClamd(mode);
    const scanner = createClamav({ ...OPTIONS, address: clamd.address, ...changes });
    try {
      await work(scanner, clamd);
    } finally {
      await scanner.close();
      await clamd.stop();
    }
  }

  test('every byte of the message arrives once and in order', () =>
    withFake('ok', {}, async (scanner, clamd) => {
      const message = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
      assert.deepEqual(await scanner.scan(await folder.task({ message }), later()), []);
      assert.ok(clamd.received.equals(message));
    }));

  test('a message file with fewer bytes than it should have is not clean', () =>
    withFake('ok', {}, async scanner => {
      const { entry, summary } = await folder.task();
      const findings = await scanner.scan({ entry: { ...entry, sizeBytes: entry.sizeBytes + 1 }, summary }, later());
      assert.deepEqual(findings, [{ kind: 'unavailable', scanner: 'clamav', reason: 'the message lacks 1 bytes' }]);
    }));

  test('a message file that is not there is not clean', () =>
    withFake('ok', {}, async scanner => {
      const { entry, summary } = await folder.task();
      const [finding] = await scanner.scan({ entry: { ...entry, content: { path: '/nowhere' } }, summary }, later());
      assert.equal(finding?.kind, 'unavailable');
    }));

  test('a large message waits for a clamd that does not read, outside our memory', () =>
    withFake('deaf', {}, async scanner => {
      const task = await folder.task({ message: Buffer.alloc(19_000_000, 'x') });
      const before = await heldBytes();
      const control = new AbortController();
      const scan = scanner.scan(task, control.signal);
      for (let i = 0; i < 300; i++) await new Promise(resolve => setImmediate(resolve));
      const held = (await heldBytes()) - before;
      control.abort(new Error('deadline'));
      assert.deepEqual(await scan, [{ kind: 'unavailable', scanner: 'clamav', reason: 'deadline' }]);
      assert.ok(held < 8_000_000, `${held} bytes`);
    }));

  test('a scan of a large message adds no listeners with every chunk', () =>
    withFake('ok', {}, async scanner => {
      const warnings: string[] = [];
      const note = (warning: Error): number => warnings.push(warning.message);
      process.on('warning', note);
      const task = await folder.task({ message: Buffer.alloc(2_000_000, 'x') });
      assert.deepEqual(await scanner.scan(task, later()), []);
      await new Promise(resolve => setImmediate(resolve));
      process.off('warning', note);
      assert.deepEqual(warnings, []);
    }));

  test('no more messages are with clamd at once than allowed', () =>
    withFake('ok', { maxConcurrent: 2 }, async (scanner, clamd) => {
      const tasks = await Promise.all(Array.from({ length: 12 }, () => folder.task()));
      const all = await Promise.all(tasks.map(task => scanner.scan(task, later())));
      assert.ok(all.every(findings => findings.length === 0));
      assert.ok(clamd.mostScans <= 2, String(clamd.mostScans));
    }));

  test('I8: an answer of the clamd that had no signatures is none, though it is read when the next one has', async () => {
    // The signatures come while the first message is with clamd.
    const heard = { bytes: () => 0 };
    await withFake('ok', { hasOnlyOwnSignatures: () => heard.bytes() === 0 }, async (scanner, clamd) => {
      heard.bytes = () => clamd.received.length;
      const reason = 'no virus signatures: run freshclam';
      const first = await scanner.scan(await folder.task(), later());
      assert.deepEqual(first, [{ kind: 'unavailable', scanner: 'clamav', reason }]);
      assert.deepEqual(await scanner.scan(await folder.task(), later()), []);
    });
  });

  test('an empty message is not sent', () =>
    withFake('dead', {}, async scanner => {
      assert.deepEqual(await scanner.scan(await folder.task({ message: '' }), later()), []);
    }));

  test('health tells the age of the signatures, and old ones degrade it', () =>
    withFake('ok', {}, async (scanner, clamd) => {
      assert.deepEqual(await scanner.health(), {
        part: 'clamav',
        level: 'ok',
        says: 'ClamAV 1.4.6, signatures 27500, 1 days old',
        next: '',
      });
      const old = createClamav({ ...OPTIONS, address: clamd.address, now: () => Date.UTC(2027, 0, 1) });
      const { level, next } = await old.health();
      assert.equal(level, 'degraded');
      assert.match(next, /run freshclam/);
    }));

  for (const mode of ['dead', 'garbage', 'enormous'] as const) {
    test(`health is down when clamd is ${mode}`, () =>
      withFake(mode, {}, async scanner => {
        assert.equal((await scanner.health()).level, 'down');
      }));
  }
});

test('addresses of clamd', () => {
  assert.deepEqual(parseClamdAddress('/run/clamd.sock'), { path: '/run/clamd.sock' });
  assert.deepEqual(parseClamdAddress('unix:/run/clamd.sock'), { path: '/run/clamd.sock' });
  assert.deepEqual(parseClamdAddress('127.0.0.1:3310'), { host: '127.0.0.1', port: 3310 });
  assert.deepEqual(parseClamdAddress('[2001:db8::1]:3310'), { host: '2001:db8::1', port: 3310 });
  for (const bad of ['', 'clamd', 'host:0', 'host:65536', '2001:db8::1:3310', 'run/clamd.sock', 'a b:1']) {
    assert.equal(parseClamdAddress(bad), null, bad);
  }
});

test('a clamd that does not run is called that, in health and in what is found', async t => {
  const scanner = createClamav({ ...OPTIONS, address: { path: '/nonexistent/clamd.sock' } });
  t.after(() => scanner.close());
  const words = 'clamd is not running: there is no socket at /nonexistent/clamd.sock';
  assert.equal((await scanner.health()).says, words);
  const [finding] = await scanner.scan(await folder.task({ message: 'Subject: a\r\n\r\nb\r\n' }), later());
  assert.deepEqual(finding, { kind: 'unavailable', scanner: 'clamav', reason: words });
});
