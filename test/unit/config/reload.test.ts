// What a reload may change, and what the log shows.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { compareSettings } from '../../../src/config/compare.ts';
import { maskedSettings } from '../../../src/config/mask.ts';
import { settingsOf } from './world.ts';

const BASE = 'domains: {example.org: {nextHop: smtp://10.0.0.5}}\n';

describe('compareSettings', () => {
  const compare = (next: string, old = BASE) => compareSettings(settingsOf(old), settingsOf(next));

  it('finds nothing where nothing changed', () => {
    const { live, restart, effective } = compare(`# The same, written differently.\nlimits: {}\n${BASE}`);
    assert.deepEqual([live, restart], [[], []]);
    assert.deepEqual(effective, settingsOf(BASE));
  });

  it('names what may change at once', () => {
    const cases: [string, string[]][] = [
      [
        'domains: {example.org: {nextHop: smtp://10.0.0.6}, example.net: {nextHop: smtp://10.0.0.5}}',
        ['domains.example.org', 'domains.example.net'],
      ],
      [`${BASE}policies: {strict: {malware: reject}}`, ['policies.strict']],
      [`${BASE}policies: {default: {thresholds: {tag: 4}}}`, ['policies.default']],
      [`${BASE}outgoing: {nextHop: smtp://10.0.0.9}`, ['outgoing']],
      [`${BASE}tls: {certificate: there.pem, key: there.key}`, ['tls']],
      [`${BASE}limits: {messageSize: 25MiB, recipients: 200}`, ['limits.messageSize', 'limits.recipients']],
      [
        `${BASE}scanners: {rules: {folders: [shipped]}, dnsLists: {lists: []}}`,
        ['scanners.rules.folders', 'scanners.dnsLists.lists'],
      ],
      [`${BASE}bareNewlines: refuse`, ['bareNewlines']],
    ];
    for (const [text, keys] of cases) {
      const { live, restart, effective } = compare(text);
      assert.deepEqual([live, restart], [keys, []], text);
      assert.deepEqual(effective, settingsOf(text), text);
    }
  });

  it('names what waits for a restart, and keeps its old value', () => {
    const cases: [string, string[]][] = [
      ['data: elsewhere', ['data']],
      ['hostname: mx.example.org', ['hostname']],
      ['listeners: [{name: other, address: "127.0.0.1:2600"}]', ['listeners']],
      ['redis: {queue: redis://10.0.0.7}', ['redis.queue']],
      ['log: {level: debug}', ['log.level']],
      ['http: off', ['http']],
      ['scanners: {clamav: {enabled: false}}', ['scanners.clamav.enabled']],
      ['limits: {scansInFlight: 4}', ['limits.scansInFlight']],
    ];
    for (const [text, keys] of cases) {
      const { live, restart, effective } = compare(`${BASE}${text}`);
      assert.deepEqual([live, restart], [[], keys], text);
      assert.deepEqual(effective, settingsOf(BASE), text);
    }
  });

  it('applies the one and keeps the other where both changed', () => {
    const next = `${BASE}hostname: mx.example.org\nlimits: {recipients: 200, scansInFlight: 4}`;
    const { live, restart, effective } = compare(next);
    assert.deepEqual(live, ['limits.recipients']);
    assert.deepEqual(restart, ['hostname', 'limits.scansInFlight']);
    assert.deepEqual(effective, settingsOf(`${BASE}limits: {recipients: 200}\nhostname: gw.example.net`));
  });

  it('leaves the demo when domains are written', () => {
    const { live, effective } = compare(BASE, '');
    assert.deepEqual(live, ['domains.demo.example', 'domains.example.org', 'outgoing']);
    assert.equal(effective.isDemo, false);
  });
});

describe('maskedSettings', () => {
  it('shows all that holds, but no password', () => {
    const settings = settingsOf(
      `${BASE}redis: {queue: "redis://user:s3cret@10.0.0.7:6379/0", memory: "rediss://:pa%40ss@10.0.0.8"}`,
    );
    const text = JSON.stringify(maskedSettings(settings));
    assert.doesNotMatch(text, /s3cret|pa%40ss|user/);
    assert.match(text, /"queue":"redis:\/\/\*\*\*@10\.0\.0\.7:6379\/0","memory":"rediss:\/\/\*\*\*@10\.0\.0\.8"/);
    assert.match(text, /"domains":\{"example\.org":\{"nextHop":\{"name":"smtp:\/\/10\.0\.0\.5:25"/);
    assert.match(text, /"scan":60000/);
    assert.match(text, /"policies":\{"default":\{"name":"default","thresholds":\{"tag":5,/);
  });

  it('does not change the settings', () => {
    const settings = settingsOf(`${BASE}redis: {queue: "redis://:s3cret@10.0.0.7"}`);
    maskedSettings(settings);
    assert.equal(settings.redis.queue, 'redis://:s3cret@10.0.0.7');
  });
});
