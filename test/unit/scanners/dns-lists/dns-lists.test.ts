import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import type { Finding } from '../../../../src/mail/finding.ts';
import { silentLog } from '../../../../src/platform/log.ts';
import { createDnsLists, type DnsListsOptions } from '../../../../src/scanners/dns-lists/dns-lists.ts';
import type { ListOptions } from '../../../../src/scanners/dns-lists/list.ts';
import { type Zone, zoneResolver } from '../../../support/dns-zone.ts';
import { type MessageFolder, messageFolder, type Wanted } from '../../../support/scan-task.ts';

const IP_LIST: ListOptions = {
  zone: 'zen.example.com',
  kind: 'ip',
  codes: [
    { kind: 'range', first: '127.0.0.2', last: '127.0.0.2', symbol: 'DNSBL_SBL' },
    { kind: 'range', first: '127.0.0.4', last: '127.0.0.7', symbol: 'DNSBL_XBL' },
  ],
  test: { listed: '127.0.0.2', notListed: '127.0.0.1' },
};
const DOMAIN_LIST: ListOptions = {
  zone: 'multi.example.com',
  kind: 'domain',
  codes: [
    { kind: 'bit', bit: 8, symbol: 'URIBL_PHISH' },
    { kind: 'bit', bit: 64, symbol: 'URIBL_ABUSE' },
  ],
  test: { listed: 'test', notListed: 'invalid' },
};
const FIT: Zone = { '2.0.0.127.zen.example.com': a('127.0.0.2'), 'test.multi.example.com': a('127.0.0.254') };

function a(...addresses: string[]): { A: string[] } {
  return { A: addresses };
}

let folder: MessageFolder;
before(async () => {
  folder = await messageFolder();
});
after(() => folder.remove());

function listsOn(zone: Zone, changes: Partial<DnsListsOptions> & { otherwise?: string } = {}) {
  const resolver = zoneResolver(zone, changes.otherwise);
  const lists = createDnsLists({
    lists: [IP_LIST, DOMAIN_LIST],
    resolver,
    log: silentLog(),
    maxQueries: 60,
    ownDomains: [],
    testDeadlineMs: 1000,
    ...changes,
  });
  const scan = async (wanted: Wanted = {}): Promise<readonly Finding[]> => {
    await lists.testLists();
    resolver.asked.length = 0;
    return lists.scan(await folder.task(wanted), AbortSignal.timeout(5000));
  };
  return { lists, asked: resolver.asked, scan };
}

function symbols(findings: readonly Finding[]): string[] {
  return findings.map(finding => (finding.kind === 'hit' ? finding.symbol : finding.kind));
}

describe('what answers mean', () => {
  const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['an exact answer', ['127.0.0.2'], ['DNSBL_SBL']],
    ['the ends of a range', ['127.0.0.4', '127.0.0.7'], ['DNSBL_XBL']],
    ['several answers', ['127.0.0.2', '127.0.0.5'], ['DNSBL_SBL', 'DNSBL_XBL']],
    ['an answer without a symbol', ['127.0.0.8'], []],
    ['the same last number in another network', ['127.0.1.2'], []],
    ['an answer that is no listing', ['192.0.2.2'], []],
    ['a listing beside one that is none', ['192.0.2.2', '127.0.0.2'], ['DNSBL_SBL']],
  ];
  for (const [name, answers, expected] of CASES) {
    test(name, async () => {
      const { scan } = listsOn({ ...FIT, '7.100.51.198.zen.example.com': a(...answers) });
      assert.deepEqual(symbols(await scan()), expected);
    });
  }

  test('each bit of the last number has its symbol', async () => {
    const { scan } = listsOn({
      ...FIT,
      'bad.example.net.multi.example.com': a(),
      'evil.com.multi.example.com': a('127.0.0.72'),
    });
    const findings = await scan({ summary: { linkDomains: ['evil.com', 'good.com'] } });
    assert.deepEqual(symbols(findings), ['URIBL_ABUSE', 'URIBL_PHISH']);
    const [first] = findings;
    assert.equal(first?.kind === 'hit' && first.evidence, 'evil.com (link) on multi.example.com: 127.0.0.72');
  });

  test('many listed domains are one hit that names three', async () => {
    const names = ['a.com', 'b.com', 'c.com', 'd.com', 'e.com'];
    const zone = Object.fromEntries(names.map(name => [`${name}.multi.example.com`, a('127.0.0.8')]));
    const [finding, ...others] = await listsOn({ ...FIT, ...zone }).scan({ summary: { linkDomains: names } });
    assert.ok(finding?.kind === 'hit' && others.length === 0);
    assert.match(finding.evidence, /^a\.com .* c\.com \(link\) on multi\.example\.com: 127\.0\.0\.8 and 2 more$/);
  });
});

describe('what is asked', () => {
  const asksFor = async (wanted: Wanted, changes: Partial<DnsListsOptions> = {}): Promise<string[]> => {
    const { scan, asked } = listsOn(FIT, changes);
    assert.deepEqual(await scan(wanted), []);
    return asked.map(question => question.replace('A ', ''));
  };

  test('the address in reverse, and each domain once in its registrable form', async () => {
    assert.deepEqual(
      await asksFor({
        mailFrom: 'bounce@bounces.example.org',
        session: { ptr: 'mx1.provider.co.uk', helo: 'mail.example.org' },
        summary: { from: ['alice@example.org'], linkDomains: ['shop.com', 'example.org'] },
      }),
      [
        '7.100.51.198.zen.example.com',
        'example.org.multi.example.com',
        'provider.co.uk.multi.example.com',
        'shop.com.multi.example.com',
      ],
    );
  });

  test('an IPv6 address by nibbles', async () => {
    const [first] = await asksFor({ session: { clientAddress: '2001:db8::1' } });
    assert.equal(first, '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.example.com');
  });

  for (const clientAddress of ['127.0.0.1', '10.1.2.3', '192.168.0.1', '169.254.1.1', '::1', 'fe80::1', 'fd00::1']) {
    test(`never the private address ${clientAddress}`, async () => {
      assert.ok((await asksFor({ session: { clientAddress } })).every(name => name.endsWith('multi.example.com')));
    });
  }

  test('no private, single or malformed names, no addresses, none of our own domains', async () => {
    const helo = 'a b.com';
    const linkDomains = ['intranet.local', 'localhost', '192.0.2.1', 'x.internal', 'host.test', 'own.com', 'ü.local'];
    const summary = { from: ['x@own.com', 'y@[192.0.2.1]', 'z@nodomain'], linkDomains };
    const session = { ptr: 'own.com', helo, clientAddress: '10.0.0.1' };
    assert.deepEqual(await asksFor({ mailFrom: '', session, summary }, { ownDomains: ['Own.com'] }), []);
  });

  test('of our own users’ mail the links alone', async () => {
    const names = await asksFor({ session: { direction: 'outgoing' }, summary: { linkDomains: ['shop.com'] } });
    assert.deepEqual(names, ['shop.com.multi.example.com']);
  });

  test('at most twenty domains, and at most the budget of queries', async () => {
    const linkDomains = Array.from({ length: 50 }, (_, i) => `d${i}.com`);
    assert.equal((await asksFor({ summary: { linkDomains } })).length, 21);
    assert.equal((await asksFor({ summary: { linkDomains } }, { maxQueries: 5 })).length, 5);
  });
});

describe('the test of a list', () => {
  const unfit = async (zone: Zone): Promise<string> => {
    const { lists, scan, asked } = listsOn(zone, { lists: [IP_LIST] });
    assert.deepEqual(await scan(), []);
    assert.deepEqual(asked, []);
    const { level, says } = await lists.health();
    assert.equal(level, 'down');
    return says;
  };

  test('a list that lists nothing is off', async () => {
    assert.match(await unfit({}), /zen\.example\.com does not list 127\.0\.0\.2/);
  });

  test('a list that lists everything is off', async () => {
    const zone = { ...FIT, '1.0.0.127.zen.example.com': a('127.0.0.2') };
    assert.match(await unfit(zone), /says that 127\.0\.0\.1 is listed/);
  });

  test('a list that refuses our resolver is off', async () => {
    const zone = { '2.0.0.127.zen.example.com': a('127.255.255.254') };
    assert.match(await unfit(zone), /refuses our queries \(127\.255\.255\.254\): use a resolver of your own/);
  });

  test('a resolver that leads every name to a page of advertisements makes lists unfit', async () => {
    const zone = { '2.0.0.127.zen.example.com': a('192.0.2.80'), '1.0.0.127.zen.example.com': a('192.0.2.80') };
    assert.match(await unfit(zone), /does not list/);
  });

  test('a list that begins to refuse is off at once', async () => {
    const zone = { ...FIT, '7.100.51.198.zen.example.com': a('127.255.255.255') };
    const { lists, asked } = listsOn(zone, { lists: [IP_LIST] });
    const scan = async () => lists.scan(await folder.task(), AbortSignal.timeout(5000));
    assert.deepEqual(await scan(), []);
    assert.equal((await lists.health()).level, 'down');
    asked.length = 0;
    assert.deepEqual(await scan(), []);
    assert.deepEqual(asked, []);
  });

  test('one list off is degraded, and the others are asked', async () => {
    const zone = { 'test.multi.example.com': a('127.0.0.254'), 'evil.com.multi.example.com': a('127.0.0.8') };
    const { lists, scan } = listsOn(zone);
    assert.deepEqual(symbols(await scan({ summary: { linkDomains: ['evil.com'] } })), ['URIBL_PHISH']);
    assert.equal((await lists.health()).level, 'degraded');
  });

  test('all fit is ok', async () => {
    const { lists } = listsOn(FIT);
    await lists.testLists();
    assert.deepEqual(await lists.health(), {
      part: 'dns-lists',
      level: 'ok',
      says: '2 lists pass their test',
      next: '',
    });
  });

  test('the first message waits for the test, and twenty at once make one test', async () => {
    const { lists, asked } = listsOn(FIT, { lists: [IP_LIST] });
    const tasks = await Promise.all(Array.from({ length: 20 }, () => folder.task()));
    await Promise.all(tasks.map(task => lists.scan(task, AbortSignal.timeout(5000))));
    assert.equal(asked.filter(question => question === 'A 2.0.0.127.zen.example.com').length, 1);
  });

  test('a list without an answer is tested again after a minute of mail', async () => {
    let now = 0;
    const zone: Record<string, string | { A: string[] }> = { '2.0.0.127.zen.example.com': 'ETIMEOUT' };
    const { lists, asked } = listsOn(zone, { lists: [IP_LIST], now: () => now });
    const scan = async () => symbols(await lists.scan(await folder.task(), AbortSignal.timeout(5000)));
    assert.deepEqual(await scan(), ['unavailable']);
    zone['2.0.0.127.zen.example.com'] = a('127.0.0.2');
    asked.length = 0;
    now = 59_999;
    assert.deepEqual(await scan(), ['unavailable']);
    assert.deepEqual(asked, []);
    now = 60_000;
    assert.deepEqual(await scan(), ['unavailable']);
    await lists.testLists();
    assert.deepEqual(await scan(), []);
  });

  test('a list that falls silent while it is fit is unavailable, and what others say stands', async () => {
    const zone = { ...FIT, '7.100.51.198.zen.example.com': 'ESERVFAIL', 'evil.com.multi.example.com': a('127.0.0.8') };
    const findings = await listsOn(zone).scan({ summary: { linkDomains: ['evil.com'] } });
    assert.deepEqual(symbols(findings), ['URIBL_PHISH', 'unavailable']);
    const last = findings.at(-1);
    assert.equal(last?.kind === 'unavailable' && last.reason, 'no answer from zen.example.com');
  });
});
