// The OpenSPF suite and Mail::DKIM's corpus through our wiring of mailauth: message stream, message port, facts.
// They lie beside the project (../shared/suites) and are not part of it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';

import type { Resolver } from '../../../../src/platform/dns.ts';
import { parseYaml } from '../../../../src/platform/yaml.ts';
import { serveDns } from '../../../../src/scanners/sender-auth/dns-port.ts';
import type { AuthFacts } from '../../../../src/scanners/sender-auth/facts.ts';
import { type AuthTask, authenticate } from '../../../../src/scanners/sender-auth/thread.ts';
import { type Zone, zoneResolver } from '../../../support/dns-zone.ts';
import { passOver } from '../../../support/require.ts';
import { type MessageFolder, messageFolder } from '../../../support/scan-task.ts';

const SUITES = new URL('../../../../../shared/suites/', import.meta.url);

async function facts(resolver: Resolver, task: Partial<AuthTask> & Pick<AuthTask, 'content'>): Promise<AuthFacts> {
  const { port1, port2 } = new MessageChannel();
  serveDns(port1, { resolver, maxLookups: 200, deadlineMs: 60_000, signal: new AbortController().signal });
  const standard = { clientAddress: null, helo: '', mailFrom: '', hostname: 'mx.example.net' };
  try {
    return await authenticate({ ...standard, maxSignatures: 10, minRsaBits: 1024, ...task, dns: port2 });
  } finally {
    port1.close();
  }
}

describe('OpenSPF', () => {
  const file = new URL('spf/rfc7208-tests.yml', SUITES);
  let folder: MessageFolder;
  before(async () => {
    folder = await messageFolder();
  });
  after(() => folder.remove());

  test('all 203 cases have a result the suite allows', async t => {
    if (!existsSync(file)) return void passOver(t, 'no ../shared/suites');
    const { content } = (await folder.task()).entry;
    const wrong: string[] = [];
    let count = 0;
    for (const text of readFileSync(file, 'utf8').split(/^---$/m).slice(1)) {
      const { description, tests, zonedata } = parseYaml('rfc7208-tests.yml', text).value as SpfDocument;
      const resolver = zoneResolver(zoneOf(zonedata));
      for (const [name, { helo, host, mailfrom, result }] of Object.entries(tests)) {
        count += 1;
        const { spf } = await facts(resolver, { content, clientAddress: host, helo, mailFrom: mailfrom });
        const allowed = [result].flat();
        if (!allowed.includes(spf?.result ?? '')) wrong.push(`${description}, ${name}: ${spf?.result}, not ${allowed}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.equal(count, 203);
  });
});

interface SpfDocument {
  readonly description: string;
  readonly tests: Readonly<
    Record<string, { readonly helo: string; readonly host: string; readonly mailfrom: string; readonly result: string }>
  >;
  readonly zonedata: Readonly<Record<string, readonly (string | Readonly<Record<string, unknown>>)[]>>;
}

/** As the suite's own drivers read it: SPF records stand for TXT where there is no TXT; TIMEOUT for what is not there. */
function zoneOf(zonedata: SpfDocument['zonedata']): Zone {
  const names = Object.entries(zonedata).map(([name, entries]) => [name.toLowerCase(), recordsOf(entries)] as const);
  const byName: Record<string, Record<string, unknown>> = Object.fromEntries(names);
  for (const [, records] of names) {
    const target = records['CNAME'];
    if (Array.isArray(target)) Object.assign(records, byName[String(target[0]).toLowerCase()], { CNAME: target });
  }
  return byName as Zone;
}

function recordsOf(entries: readonly (string | Readonly<Record<string, unknown>>)[]): Record<string, unknown> {
  const records: Record<string, unknown[]> = {};
  for (const entry of entries) {
    if (typeof entry === 'string') continue;
    for (const [type, value] of Object.entries(entry)) {
      records[type] ??= [];
      if (value !== 'NONE') records[type].push(recordOf(type, value));
    }
  }
  records['TXT'] ??= records['SPF'] ?? [];
  const missing = entries.includes('TIMEOUT') ? 'ETIMEOUT' : 'ENODATA';
  const types = ['A', 'AAAA', 'CNAME', 'MX', 'PTR', 'TXT'];
  return Object.fromEntries(types.map(type => [type, (records[type]?.length ?? 0) > 0 ? records[type] : missing]));
}

function recordOf(type: string, value: unknown): unknown {
  if (type === 'TXT' || type === 'SPF') return [value].flat().map(String);
  if (type === 'MX' && Array.isArray(value)) return { priority: Number(value[0]), exchange: String(value[1]) };
  return String(value);
}

/**
 * Passes for the suite of 2006 to 2023 and not for us: RFC 8301 has ended rsa-sha1 (`policy`), and RFC 6376 3.5 demands
 * tags that the drafts before it did not have.
 */
const ENDED =
  /^(?:weak algorithm|signature missing required tag|incompatible version|unknown (?:canonicalization|algorithm))$/;

describe('Mail::DKIM', () => {
  const folder = new URL('dkim/mail-dkim/', SUITES);

  test('what must not pass does not pass, and what must does', async t => {
    if (!existsSync(folder)) return void passOver(t, 'no ../shared/suites');
    const resolver = zoneResolver(dkimZone(readFileSync(new URL('FAKE_DNS.dat', folder), 'latin1')));
    const rows = readFileSync(new URL('expected.tsv', folder), 'utf8').trim().split('\n').slice(1);
    const wrong: string[] = [];
    const passed: string[] = [];
    for (const [name = '', expected] of rows.map(row => row.split('\t'))) {
      // DomainKeys, the forerunner (RFC 4870), is not looked at.
      if (name.includes('dk_')) continue;
      const path = new URL(`corpus/${name}`, folder).pathname;
      const { dkim } = await facts(resolver, { content: { path }, minRsaBits: 512 });
      const isPass = dkim.some(({ result }) => result === 'pass');
      if (isPass) passed.push(name);
      const isEnded = !isPass && dkim.every(({ comment }) => ENDED.test(comment));
      if (isPass === (expected === 'pass') || isEnded) continue;
      wrong.push(`${name} (${expected}): ${dkim.map(({ result, comment }) => `${result} ${comment}`).join('; ')}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(passed.includes('goodkey_ed25519.txt'));
  });
});

function dkimZone(text: string): Zone {
  const codes: Readonly<Record<string, string>> = {
    NXDOMAIN: 'ENOTFOUND',
    '~~Query timed out~~': 'ETIMEOUT',
    '~~SERVFAIL~~': 'ESERVFAIL',
  };
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map(line => {
      const [, name = '', value = ''] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
      return [name.toLowerCase(), { TXT: codes[value] ?? [[value === '""' ? '' : value]] }];
    }),
  );
}
