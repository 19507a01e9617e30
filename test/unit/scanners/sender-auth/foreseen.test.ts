import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Resolver } from '../../../../src/platform/dns.ts';
import { foresee, namesOf } from '../../../../src/scanners/sender-auth/foreseen.ts';
import { zoneResolver } from '../../../support/dns-zone.ts';
import { type MessageFolder, messageFolder } from '../../../support/scan-task.ts';

let folder: MessageFolder;
before(async () => {
  folder = await messageFolder();
});
after(() => folder.remove());

const options = (resolver: Resolver, more: { maxLookups?: number; deadlineMs?: number } = {}) => ({
  resolver,
  maxLookups: 100,
  deadlineMs: 10_000,
  signal: new AbortController().signal,
  ...more,
});

test('it is the sender’s SPF record, and DMARC from the author’s domain up', async () => {
  const task = await folder.task({ mailFrom: 'x@bounce.example.net', summary: { from: ['a@news.shop.example.org'] } });
  assert.deepEqual(namesOf(task), [
    'bounce.example.net',
    '_dmarc.news.shop.example.org',
    '_dmarc.shop.example.org',
    '_dmarc.example.org',
    '_dmarc.org',
  ]);
});

test('a null sender is asked about by HELO; several authors, or none, have no DMARC', async () => {
  for (const from of [[], ['a@example.org', 'b@example.net'], ['no address']]) {
    assert.deepEqual(namesOf(await folder.task({ mailFrom: '', summary: { from } })), ['mail.example.org']);
  }
  assert.deepEqual(namesOf(await folder.task({ mailFrom: '', summary: null })), ['mail.example.org']);
});

test('RFC 9989 4.10: a domain of many labels costs eight questions', async () => {
  const deep = Array.from({ length: 60 }, (_, i) => `l${i}`).join('.');
  const names = namesOf(await folder.task({ mailFrom: '', summary: { from: [`a@${deep}.example.org`] } }));
  assert.equal(names.length, 1 + 8);
  assert.equal(names[2], '_dmarc.l55.l56.l57.l58.l59.example.org');
});

test('records, names that are not there and failures are known as such', async () => {
  const resolver = zoneResolver({ 'example.org': { TXT: [['v=spf1 ', '-all']] } });
  const known = await foresee(await folder.task(), options(resolver));
  assert.deepEqual(known.get('example.org'), { records: [['v=spf1 ', '-all']] });
  assert.deepEqual(known.get('_dmarc.example.org'), { code: 'ENOTFOUND' });
});

test('beyond the budget nothing is asked', async () => {
  const resolver = zoneResolver({});
  assert.equal((await foresee(await folder.task(), options(resolver, { maxLookups: 2 }))).size, 2);
  assert.equal(resolver.asked.length, 2);
});

test('what came before the deadline is known, the rest is a failure', async () => {
  const quick = zoneResolver({ 'example.org': { TXT: [['v=spf1 -all']] } });
  const resolver: Resolver = {
    resolve: (name, type, signal) =>
      name.startsWith('_dmarc') ? new Promise(() => undefined) : quick.resolve(name, type, signal),
  };
  const known = await foresee(await folder.task(), options(resolver, { deadlineMs: 50 }));
  assert.deepEqual(known.get('example.org'), { records: [['v=spf1 -all']] });
  assert.deepEqual(known.get('_dmarc.example.org'), { code: 'ETIMEOUT' });
});
