import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ownName } from '../../../src/config/resolve.ts';
import { problemsOf, settingsOf } from './world.ts';

const DOMAIN = 'domains: {example.org: {nextHop: smtp://10.0.0.5}}\n';

describe('settings', () => {
  it('have times in milliseconds and sizes in bytes', () => {
    const { timeouts, limits } = settingsOf(`${DOMAIN}timeouts: {scan: 90s}\nlimits: {messageSize: 25 MiB}`);
    assert.equal(timeouts.scan, 90_000);
    assert.equal(timeouts.hopAfterDot, 300_000);
    assert.equal(limits.messageSize, 25 * 1024 * 1024);
  });

  it('have the same defaults whether a group is absent or empty', () => {
    assert.deepEqual(settingsOf(`${DOMAIN}limits: {}\nscanners: {clamav: {}}`), settingsOf(DOMAIN));
  });

  it('take the name of the machine only where it is a full one', () => {
    const cases: [string, string][] = [
      ['mx.example.org', 'mx.example.org'],
      ['MX.Example.ORG.', 'mx.example.org'],
      ['mx', 'localhost.localdomain'],
      ['', 'localhost.localdomain'],
      ['a_b.example.org', 'localhost.localdomain'],
      ['10.0.0.5', 'localhost.localdomain'],
      ['my machine.local', 'localhost.localdomain'],
    ];
    for (const [given, expected] of cases) assert.equal(ownName(given), expected, given);
    assert.equal(settingsOf(DOMAIN).hostname, 'gw.example.net');
    assert.equal(settingsOf(`${DOMAIN}hostname: MX.Example.Org`).hostname, 'mx.example.org');
  });

  it('have domains in lower-case A-labels and local parts in lower case', () => {
    const { domains } = settingsOf(
      'domains: {Bücher.Example: {nextHop: smtp://a.example, addresses: {Boss: default}}, EXAMPLE.org.: {nextHop: smtp://a.example}}',
    );
    assert.deepEqual([...domains.keys()], ['xn--bcher-kva.example', 'example.org']);
    assert.deepEqual([...(domains.get('xn--bcher-kva.example')?.addresses ?? [])], [['boss', 'default']]);
  });

  it('have a next hop in one form, however it was written', () => {
    const hop = (text: string) =>
      settingsOf(`domains: {example.org: {nextHop: ${text}}}`).domains.get('example.org')?.nextHop;
    const timeouts = { connect: 30_000, reply: 60_000, afterDot: 300_000 };
    const host = { kind: 'smtp', host: '10.0.0.5', port: 25, text: 'smtp://10.0.0.5:25' };
    const expected = { name: 'smtp://10.0.0.5:25', hosts: [host], tls: 'may', ca: null, connections: 40, timeouts };
    assert.deepEqual(hop('smtp://10.0.0.5'), expected);
    assert.deepEqual(hop('[smtp://10.0.0.5:25]'), expected);
    assert.deepEqual(hop('{hosts: [smtp://10.0.0.5/]}'), expected);
    assert.deepEqual(hop('{hosts: [smtp://10.0.0.5], tls: verify, connections: 5, timeouts: {reply: 5s}}'), {
      ...expected,
      tls: 'verify',
      ca: null,
      connections: 5,
      timeouts: { ...timeouts, reply: 5000 },
    });
    assert.equal(
      hop('[smtp://a.example, "smtp://[2001:DB8::1]:26"]')?.name,
      'smtp://a.example:25, smtp://[2001:db8::1]:26',
    );
    assert.deepEqual(hop('maildir:box')?.hosts, [
      { kind: 'maildir', path: '/etc/postern/data/box', text: 'maildir:/etc/postern/data/box' },
    ]);
  });

  it('keep the demo only while nothing to relay is named', () => {
    assert.equal(settingsOf('log: {level: debug}').isDemo, true);
    const withDomain = settingsOf(DOMAIN);
    assert.equal(withDomain.isDemo, false);
    assert.equal(withDomain.outgoing, null);
    const outgoingOnly = settingsOf('outgoing: {nextHop: smtp://smarthost.example.net}');
    assert.equal(outgoingOnly.isDemo, false);
    assert.equal(outgoingOnly.domains.size, 0);
    assert.equal(outgoingOnly.outgoing?.nextHop.name, 'smtp://smarthost.example.net:25');
  });

  it('give a trusted listener the networks of this machine where none are named', () => {
    const [first, second] = settingsOf(
      `${DOMAIN}listeners: [{name: a, address: "127.0.0.1:0", trusted: true}, {name: b, address: "127.0.0.1:0"}]`,
    ).listeners;
    assert.deepEqual(first?.networks, ['127.0.0.0/8', '::1/128']);
    assert.deepEqual(second?.networks, []);
  });

  it('I6: never trust the Internet, however it is written', () => {
    for (const network of ['0.0.0.0/0', '"::/0"', '128.0.0.0/1', '"2000::/3"', '"::/1"', '"0:0::0/0"']) {
      const text = `${DOMAIN}listeners: [{name: a, address: "10.0.0.2:587", trusted: true, networks: [${network}]}]`;
      const [problem = '', ...others] = problemsOf(text);
      assert.match(
        problem,
        /^2:74: ".*" lets the Internet send mail through you to everybody: an open relay$/,
        network,
      );
      assert.deepEqual(others, []);
    }
  });

  it('find nothing under names that every object has', () => {
    const { domains, policies } = settingsOf(DOMAIN);
    for (const name of ['constructor', 'toString', '__proto__']) {
      assert.equal(domains.get(name), undefined);
      assert.equal(policies.get(name), undefined);
    }
    const named = settingsOf(
      'domains: {constructor: {nextHop: smtp://a.example, policy: hasown}}\npolicies: {hasown: {malware: reject}}',
    );
    assert.equal(named.domains.get('constructor')?.policy, 'hasown');
  });

  it('cut a scanner’s deadline to that of the scan', () => {
    const { scanners } = settingsOf(`${DOMAIN}timeouts: {scan: 5s}`);
    assert.equal(scanners.clamav.deadline, 5000);
    assert.equal(scanners.rules.deadline, 5000);
  });

  it('tell where clamd is', () => {
    const address = (text: string) =>
      settingsOf(`${DOMAIN}scanners: {clamav: {address: ${text}}}`).scanners.clamav.address;
    assert.deepEqual(address('embedded'), { kind: 'embedded' });
    assert.deepEqual(address('/run/clamav/clamd.ctl'), { kind: 'unix', path: '/run/clamav/clamd.ctl' });
    assert.deepEqual(address('clamd.example.org:3310'), { kind: 'tcp', host: 'clamd.example.org', port: 3310 });
    assert.deepEqual(address('"[2001:db8::6]:3310"'), { kind: 'tcp', host: '2001:db8::6', port: 3310 });
    assert.equal(problemsOf(`${DOMAIN}scanners: {clamav: {address: "10.0.0.6"}}`).length, 1);
  });

  it('have DNS lists with codes as ranges and bits, and test points of RFC 5782', () => {
    const lists = settingsOf(
      `${DOMAIN}scanners: {dnsLists: {lists: [{zone: bl.example.net, kind: ip, codes: {127.0.0.2: A1, 127.0.0.4-7: B1, bit 64: C1}}, {zone: dbl.example.net, kind: domain, codes: {127.0.1.2: D1}, testNotListed: example.com}]}}`,
    ).scanners.dnsLists.lists;
    assert.deepEqual(lists, [
      {
        zone: 'bl.example.net',
        kind: 'ip',
        codes: [
          { kind: 'range', first: '127.0.0.2', last: '127.0.0.2', symbol: 'A1' },
          { kind: 'range', first: '127.0.0.4', last: '127.0.0.7', symbol: 'B1' },
          { kind: 'bit', bit: 64, symbol: 'C1' },
        ],
        test: { listed: '127.0.0.2', notListed: '127.0.0.1' },
      },
      {
        zone: 'dbl.example.net',
        kind: 'domain',
        codes: [{ kind: 'range', first: '127.0.1.2', last: '127.0.1.2', symbol: 'D1' }],
        test: { listed: 'test', notListed: 'example.com' },
      },
    ]);
  });
});

describe('policies', () => {
  const policies = (text: string) => settingsOf(`${DOMAIN}policies: ${text}`).policies;

  it('say only what differs from default', () => {
    assert.deepEqual(policies('{strict: {thresholds: {reject: 10}, unavailable: {dns-lists: defer}}}').get('strict'), {
      name: 'strict',
      thresholds: { tag: 5, quarantine: 8, reject: 10 },
      malware: 'quarantine',
      unscannable: 'quarantine',
      unavailable: { clamav: 'defer', '*': 'accept', 'dns-lists': 'defer' },
    });
  });

  it('follow a default that was written anew, wherever it stands', () => {
    const both = policies('{strict: {malware: reject}, default: {thresholds: {tag: 4}, unavailable: {"*": tag}}}');
    assert.deepEqual(both.get('strict')?.thresholds, { tag: 4, quarantine: 8, reject: 15 });
    assert.deepEqual(both.get('strict')?.unavailable, { clamav: 'defer', '*': 'tag' });
    assert.equal(both.get('default')?.malware, 'quarantine');
    assert.deepEqual([...both.keys()], ['default', 'strict']);
  });

  it('may have equal thresholds, fractions, and one that is never reached', () => {
    const { thresholds } =
      policies('{default: {thresholds: {tag: 4.5, quarantine: 4.5, reject: never}}}').get('default') ?? {};
    assert.equal(thresholds?.quarantine, 4.5);
    assert.ok((thresholds?.reject ?? 0) > 1000);
  });

  it('are blamed for a wrong order only where they were written', () => {
    assert.deepEqual(problemsOf(`${DOMAIN}policies: {default: {thresholds: {reject: 6}}, strict: {malware: reject}}`), [
      '2:34: the thresholds of policy "default" are out of order: tag 5 (from default), quarantine 8 (from default), reject 6',
    ]);
  });
});
