// What a reload says it has done: a domain lost by a typing error is named as such.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reloadedOf, reloadLine, ruleChanges, silentHops } from '../../../src/assembly/reloaded.ts';
import { completed, pageOf } from '../../../src/cli/reload.ts';
import { parseSettings } from '../../../src/config/load.ts';
import { createNextHop } from '../../../src/delivery/next-hop.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { ruleSet } from '../../support/rules.ts';

const settings = (domain: string) =>
  parseSettings('/x/postern.yaml', `domains: {${domain}: {nextHop: smtp://10.0.0.5}}`);
const rule = (symbol: string, points = 1) =>
  `  ${symbol}: {about: a test, points: ${points}, when: {subject: {equals: x}}}\n`;
const rules = (...texts: string[]) => ruleSet(`rules:\n${texts.join('')}`).source;

test('rules that came, went or changed are named with their file', () => {
  const before = rules(rule('STAYS'), rule('GOES'), rule('CHANGES'));
  const after = rules(rule('STAYS'), rule('COMES'), rule('CHANGES', 3));
  assert.deepEqual(ruleChanges(before, after), {
    added: ['COMES (0.yaml)'],
    removed: ['GOES (0.yaml)'],
    changed: ['CHANGES (0.yaml)'],
  });
  assert.deepEqual(ruleChanges(before, before), { added: [], removed: [], changed: [] });
});

test('a misspelt domain is told as one that is no longer ours, and a new one', () => {
  const version = (domain: string) => ({ settings: settings(domain), rules: rules(rule('STAYS')) });
  const live = ['domains.acme.test', 'domains.acme.tset'];
  const reloaded = reloadedOf({ live, restart: [] }, version('acme.test'), version('acme.tset'));
  const page = pageOf({ ...reloaded, silentHops: ['smtp://10.0.0.5:25: ECONNREFUSED: start it'] }, 'unread rules');
  assert.match(page, /^Domains: no longer ours: acme\.test; new: acme\.tset\.$/m);
  assert.match(page, /^warning: a new next hop does not answer: smtp:\/\/10\.0\.0\.5:25: ECONNREFUSED: start it$/m);
  assert.match(page, /^warning: unread rules$/m);
  assert.match(page, /^ {2}\/x\/rules\/local: does not exist, 0 rules$/m);
  assert.deepEqual(reloadLine(reloaded), { domainsGone: ['acme.test'], domainsAdded: ['acme.tset'] });
});

test('many names are cut, and their number is told', () => {
  const version = (...texts: string[]) => ({ settings: settings('acme.test'), rules: rules(...texts) });
  const many = Array.from({ length: 30 }, (_, i) => rule(`MANY_${i}`));
  const reloaded = reloadedOf({ live: [], restart: [] }, version(), version(...many));
  assert.match(pageOf({ ...reloaded, silentHops: [] }, ''), /\+30 MANY_0 \(0\.yaml\), .* and 20 more\)\.$/m);
});

test('of the next hops only the new ones are asked, and those that do not answer are told', async t => {
  const hop = (host: string) =>
    createNextHop({ hosts: [host], tls: 'may', hostname: 'mx.example.org', log: silentLog() });
  // Port 1 of this machine: nobody listens there.
  const [old, fresh] = [hop('smtp://127.0.0.1:1'), hop('smtp://127.0.0.1:1')];
  t.after(() => Promise.all([old.close(), fresh.close()]));
  const told = await silentHops(
    new Map([['old', old]]),
    new Map([
      ['old', old],
      ['new', fresh],
    ]),
  );
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /ECONNREFUSED.*: start the server/);
});

test('the answer of an older gateway, which says less, is a page too', () => {
  const answer = { live: ['log.level'], restart: [], rules: { digest: '0123456789ab', count: 3 } };
  assert.equal(pageOf(completed(answer), ''), 'Rules: 3, set 0123456789ab.\nChanged: log.level.');
});
