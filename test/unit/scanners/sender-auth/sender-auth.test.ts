import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { dkimSign } from 'mailauth';

import type { Finding } from '../../../../src/mail/finding.ts';
import type { Scanner } from '../../../../src/mail/ports.ts';
import { createThreads } from '../../../../src/platform/threads.ts';
import {
  createSenderAuth,
  SENDER_AUTH_THREAD,
  type SenderAuthOptions,
} from '../../../../src/scanners/sender-auth/sender-auth.ts';
import { type Zone, type ZoneResolver, zoneResolver } from '../../../support/dns-zone.ts';
import { type MessageFolder, messageFolder, type Wanted } from '../../../support/scan-task.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const KEY = `v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`;
const ZONE: Zone = {
  'example.org': { TXT: [['v=spf1 ip4:198.51.100.0/24 -all']], A: ['198.51.100.7'] },
  'mail.example.org': { TXT: [['v=spf1 a -all']], A: ['198.51.100.7'] },
  's1._domainkey.example.org': { TXT: [[KEY]] },
  's1._domainkey.other.example': { TXT: [[KEY]] },
  '_dmarc.example.org': { TXT: [['v=DMARC1; p=reject']] },
  'soft.example': { TXT: [['v=spf1 ~all']] },
  'neutral.example': { TXT: [['v=spf1 ?all']] },
  'broken.example': { TXT: [['v=spf1 nonsense -all']] },
  'slow.example': 'ETIMEOUT',
  '_dmarc.soft.example': { TXT: [['v=DMARC1; p=quarantine']] },
  '_dmarc.neutral.example': { TXT: [['v=DMARC1; p=none']] },
};
const MESSAGE = 'From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nGood morning\r\n';

async function signed(
  message: string,
  { domain = 'example.org', algorithm = 'rsa-sha256', maxBodyLength }: Record<string, string | number> = {},
): Promise<string> {
  const limit = maxBodyLength === undefined ? {} : { maxBodyLength: Number(maxBodyLength) };
  const options = {
    canonicalization: 'relaxed/relaxed' as const,
    algorithm: String(algorithm) as 'rsa-sha256',
    signTime: new Date(),
    // Only for its types: signatureData says the same.
    ...{ signingDomain: String(domain), selector: 's1', privateKey },
    signatureData: [{ signingDomain: String(domain), selector: 's1', privateKey, ...limit }],
  };
  const { signatures, errors } = await dkimSign(message, options);
  assert.deepEqual(errors, []);
  return signatures + message;
}

let folder: MessageFolder;
before(async () => {
  folder = await messageFolder();
});
after(() => folder.remove());

function scannerOn(resolver: ZoneResolver, changes: Partial<SenderAuthOptions> = {}): Scanner {
  return createSenderAuth({
    threads: createThreads({ name: 'auth', file: SENDER_AUTH_THREAD, threads: 1, maxQueue: 50, heapMb: 128 }),
    resolver,
    hostname: 'mx.example.net',
    maxSignatures: 10,
    minRsaBits: 1024,
    maxLookups: 150,
    dnsDeadlineMs: 5000,
    ...changes,
  });
}

async function withScanner<T>(
  resolver: ZoneResolver,
  work: (scanner: Scanner) => Promise<T>,
  changes: Partial<SenderAuthOptions> = {},
): Promise<T> {
  const scanner = scannerOn(resolver, changes);
  try {
    return await work(scanner);
  } finally {
    await scanner.close();
  }
}

/** One scanner for the many that only read. */
describe('facts', () => {
  const resolver = zoneResolver(ZONE);
  let scanner: Scanner;
  before(() => {
    scanner = scannerOn(resolver);
  });
  after(() => scanner.close());

  async function scan(wanted: Wanted): Promise<readonly Finding[]> {
    return scanner.scan(await folder.task({ message: MESSAGE, ...wanted }), AbortSignal.timeout(10_000));
  }

  const CASES: readonly (readonly [string, () => Wanted | Promise<Wanted>, readonly string[]])[] = [
    ['SPF passes and aligns', () => ({}), ['SPF_PASS', 'DKIM_NONE', 'DMARC_PASS']],
    [
      'SPF fails',
      () => ({ session: { clientAddress: '203.0.113.9' } }),
      ['SPF_FAIL', 'DKIM_NONE', 'DMARC_FAIL_REJECT'],
    ],
    [
      'softfail, policy quarantine',
      () => ({ mailFrom: 'a@soft.example', message: MESSAGE.replace('example.org', 'soft.example') }),
      ['SPF_SOFTFAIL', 'DKIM_NONE', 'DMARC_FAIL_QUARANTINE'],
    ],
    [
      'neutral, policy none',
      () => ({ mailFrom: 'a@neutral.example', message: MESSAGE.replace('example.org', 'neutral.example') }),
      ['SPF_NEUTRAL', 'DKIM_NONE', 'DMARC_FAIL_NONE'],
    ],
    ['no record', () => ({ mailFrom: 'a@none.example' }), ['SPF_NONE', 'DKIM_NONE', 'DMARC_FAIL_REJECT']],
    ['a broken record', () => ({ mailFrom: 'a@broken.example' }), ['SPF_PERMERROR', 'DKIM_NONE', 'DMARC_FAIL_REJECT']],
    ['a slow name server', () => ({ mailFrom: 'a@slow.example' }), ['SPF_TEMPERROR', 'DKIM_NONE', 'DMARC_FAIL_REJECT']],
    ['the null sender is judged by HELO', () => ({ mailFrom: '' }), ['SPF_PASS', 'DKIM_NONE', 'DMARC_PASS']],
    [
      'a good signature alone',
      async () => ({ mailFrom: 'a@none.example', message: await signed(MESSAGE) }),
      ['SPF_NONE', 'DKIM_PASS', 'DMARC_PASS'],
    ],
    [
      'a good signature of somebody else',
      async () => ({ mailFrom: 'a@none.example', message: await signed(MESSAGE, { domain: 'other.example' }) }),
      ['SPF_NONE', 'DKIM_PASS', 'DMARC_FAIL_REJECT'],
    ],
    [
      'a changed body',
      async () => ({ mailFrom: 'a@none.example', message: `${await signed(MESSAGE)}more\r\n` }),
      ['SPF_NONE', 'DKIM_FAIL', 'DMARC_FAIL_REJECT'],
    ],
    [
      'a key that is not there',
      async () => ({ mailFrom: 'a@none.example', message: (await signed(MESSAGE)).replace('s=s1', 's=s2') }),
      ['SPF_NONE', 'DKIM_PERMERROR', 'DMARC_FAIL_REJECT'],
    ],
    [
      'rsa-sha1 is no signature (RFC 8301)',
      async () => ({ mailFrom: 'a@none.example', message: await signed(MESSAGE, { algorithm: 'rsa-sha1' }) }),
      ['SPF_NONE', 'DKIM_PERMERROR', 'DMARC_FAIL_REJECT'],
    ],
    [
      'text added below l= is not signed',
      async () => ({ mailFrom: 'a@none.example', message: `${await signed(MESSAGE, { maxBodyLength: 8 })}more\r\n` }),
      ['SPF_NONE', 'DKIM_PERMERROR', 'DMARC_FAIL_REJECT'],
    ],
    [
      'two From fields',
      async () => ({ message: `From: ceo@bank.example\r\n${await signed(MESSAGE)}` }),
      ['SPF_PASS', 'DKIM_PASS', 'DMARC_PERMERROR', 'SENDER_AMBIGUOUS'],
    ],
    [
      'two authors of two domains',
      () => ({ message: MESSAGE.replace('<alice@example.org>', '<alice@example.org>, ceo@bank.example') }),
      ['SPF_PASS', 'DKIM_NONE', 'DMARC_PERMERROR', 'SENDER_AMBIGUOUS'],
    ],
    [
      'no From',
      () => ({ message: 'Subject: hello\r\n\r\nGood morning\r\n' }),
      ['SPF_PASS', 'DKIM_NONE', 'DMARC_PERMERROR', 'SENDER_AMBIGUOUS'],
    ],
    [
      'a header section without end',
      () => ({ message: `X-Long: ${'a'.repeat(300_000)}\r\n${MESSAGE}` }),
      ['SPF_PASS', 'DKIM_PERMERROR', 'DMARC_PERMERROR', 'SENDER_AMBIGUOUS'],
    ],
    ['a private client, unsigned', () => ({ session: { clientAddress: '127.0.0.1' } }), ['DKIM_NONE']],
    [
      'a private client, signed',
      async () => ({ session: { clientAddress: '10.1.2.3' }, message: await signed(MESSAGE) }),
      ['DKIM_PASS', 'DMARC_PASS'],
    ],
    ['mail of our own users', () => ({ session: { direction: 'outgoing' } }), []],
    ['an empty message', () => ({ message: '' }), ['SPF_PASS', 'DKIM_NONE', 'DMARC_PERMERROR', 'SENDER_AMBIGUOUS']],
  ];

  for (const [name, wanted, symbols] of CASES) {
    test(name, async () => {
      const findings = await scan(await wanted());
      const found = findings.flatMap(finding => (finding.kind === 'hit' ? [finding.symbol] : []));
      assert.deepEqual(found, symbols, JSON.stringify(findings, null, 1));
    });
  }

  test('results have the properties of RFC 8601', async () => {
    const findings = await scan({ message: await signed(MESSAGE) });
    const auth = findings.flatMap(finding => (finding.kind === 'auth' ? [finding] : []));
    assert.deepEqual(
      auth.map(({ method, result }) => `${method}=${result}`),
      ['spf=pass', 'dkim=pass', 'dmarc=pass'],
    );
    assert.deepEqual(auth[0]?.properties, { 'smtp.mailfrom': 'example.org' });
    const { 'header.b': b, ...dkim } = auth[1]?.properties ?? {};
    assert.deepEqual(dkim, { 'header.d': 'example.org', 'header.s': 's1', 'header.a': 'rsa-sha256' });
    assert.match(b ?? '', /^[A-Za-z0-9+/]{8}$/);
    assert.deepEqual(auth[2]?.properties, { 'header.from': 'example.org', 'policy.dmarc': 'reject' });
  });

  test('three hundred signatures cost ten lookups at most, and the author’s own is among them', async () => {
    const good = await signed(MESSAGE);
    const junk = Array.from({ length: 300 }, (_, i) =>
      good.slice(0, good.indexOf('From:')).replace('d=example.org', `d=j${i}.example`),
    );
    resolver.asked.length = 0;
    const findings = await scan({ mailFrom: 'a@none.example', message: junk.join('') + good });
    assert.ok(findings.some(finding => finding.kind === 'hit' && finding.symbol === 'DKIM_PASS'));
    assert.equal(findings.filter(finding => finding.kind === 'auth' && finding.method === 'dkim').length, 10);
    assert.ok(resolver.asked.filter(question => question.includes('_domainkey')).length <= 10);
  });
});

test('lookups beyond the budget are not made, and end as temperror', async () => {
  const resolver = zoneResolver({
    ...ZONE,
    'many.example': { TXT: [['v=spf1 a:a.example a:b.example a:c.example -all']] },
  });
  const findings = await withScanner(
    resolver,
    async scanner => scanner.scan(await folder.task({ mailFrom: 'a@many.example' }), AbortSignal.timeout(10_000)),
    { maxLookups: 2 },
  );
  const results = findings.flatMap(finding => (finding.kind === 'auth' ? [`${finding.method}=${finding.result}`] : []));
  assert.ok(results.includes('spf=temperror'), results.join());
  assert.ok(resolver.asked.length <= 2);
});

test('DNS that never answers gives temperror when its time is over', async () => {
  const findings = await withScanner(
    zoneResolver({}, 'HANG'),
    async scanner => scanner.scan(await folder.task(), AbortSignal.timeout(10_000)),
    { dnsDeadlineMs: 100 },
  );
  const found = findings.flatMap(finding => (finding.kind === 'hit' ? [finding.symbol] : []));
  assert.deepEqual(found, ['SPF_TEMPERROR', 'DKIM_NONE', 'DMARC_TEMPERROR']);
});

test('a message file that is not there is unavailable', () =>
  withScanner(zoneResolver(ZONE), async scanner => {
    const { entry, summary } = await folder.task();
    const [finding] = await scanner.scan(
      { entry: { ...entry, content: { path: '/nowhere' } }, summary },
      AbortSignal.timeout(10_000),
    );
    assert.equal(finding?.kind, 'unavailable');
  }));

test('a message that computes for ever is given up with its signal, its thread is killed, and its neighbour asked again', async () => {
  const threads = createThreads({
    name: 'auth',
    file: new URL('../../../support/thread-tasks.ts', import.meta.url),
    threads: 1,
    tasksPerThread: 2,
    maxQueue: 50,
    heapMb: 64,
  });
  const standard = {
    hostname: 'mx.example.net',
    maxSignatures: 10,
    minRsaBits: 1024,
    maxLookups: 9,
    dnsDeadlineMs: 9000,
  };
  const scanner = createSenderAuth({ threads, resolver: zoneResolver(ZONE), ...standard });
  await threads.run('echo', {}, { signal: AbortSignal.timeout(10_000) });
  const control = new AbortController();
  const endless = scanner.scan(await folder.task({ mailFrom: 'endless@example.org' }), control.signal);
  const neighbour = scanner.scan(await folder.task(), AbortSignal.timeout(10_000));
  control.abort(new Error('deadline'));
  assert.deepEqual(await endless, [{ kind: 'unavailable', scanner: 'sender-auth', reason: 'deadline' }]);
  assert.deepEqual(await neighbour, []);
  assert.equal(threads.stats().lost, 2);
  await scanner.close();
});
