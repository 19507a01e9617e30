import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecentMessage } from '../../../src/assembly/activity.ts';
import type { TopSample } from '../../../src/assembly/top.ts';
import { topPage } from '../../../src/cli/top-page.ts';
import type { Health } from '../../../src/mail/ports.ts';
import { textWidth } from '../../../src/platform/text-width.ts';

const AT = Date.UTC(2026, 10, 23, 19, 30);
const part = (name: string, level: Health['level'], says: string, next = ''): Health => ({
  part: name,
  level,
  says,
  next,
});

const MESSAGE: RecentMessage = {
  id: '01k9x2m4q8a7b3c5d6',
  at: AT - 3000,
  from: 'alice@sample.example',
  to: 'you@demo.example',
  recipients: 1,
  verdict: 'accept',
  state: 'relayed',
  score: 0.1,
  ms: 31,
};

const SAMPLE: TopSample = {
  at: AT,
  version: '0.1.0',
  pid: 1234,
  startedAt: AT - 100_000_000,
  process: { cpuPercent: 12, rssBytes: 210 * 1024 ** 2, longestTurnMs: 12.4 },
  listeners: [
    { name: 'public', host: '127.0.0.1', port: 2525, idle: 2, talking: 5, sending: 3 },
    { name: 'trusted', host: '127.0.0.1', port: 2587, idle: 0, talking: 0, sending: 0 },
  ],
  connectionsMax: 1000,
  scans: { inFlight: 3, inWork: 2, max: 256 },
  lastMinute: {
    seconds: 60,
    verdicts: { accept: 200, quarantine: 5, unjudged: 1 },
    states: { relayed: 200, held: 5, refused: 1 },
    latency: { count: 205, p50: 31, p95: 80, p99: 12_000 },
    recent: [MESSAGE, { ...MESSAGE, verdict: null, state: 'refused', score: null, ms: null, from: '', recipients: 3 }],
  },
  health: {
    askedAt: AT,
    level: 'down',
    protects: [],
    doesNotProtect: [],
    switchedOff: [],
    parts: [
      part('rules', 'ok', '3 threads'),
      part('clamav', 'down', 'clamd is not running', 'start clamd'),
      part('next hop', 'ok', 'smtp://10.0.0.5:25: answers'),
    ],
  },
};

test('a page of eighty columns by twenty-four lines tells all at once', () => {
  assert.deepEqual(topPage(SAMPLE, { width: 80, height: 24 }), [
    'Postern 0.1.0, process 1234, up 1 d 03:46: DOWN                     19:30:00 UTC',
    'process      CPU 12 %, memory 210 MiB, longest turn 12 ms',
    'connections  10 of 1000: public 10 (2 idle, 5 talking, 3 sending), trusted 0',
    'scans        3 of 256 in flight: 2 in work, 1 waiting',
    'last minute  200 accept   5 quarantine   1 unjudged',
    'became       200 relayed   5 held   1 refused',
    'dot to reply p50 31 ms, p95 80 ms, p99 12.0 s',
    'next hop     ok smtp://10.0.0.5:25: answers',
    'health       down clamav: clamd is not running. Next: start clamd',
    '',
    '  AGO ID                 BECAME     SCORE   TIME FROM            TO',
    '  3 s 01k9x2m4q8a7b3c5d6 relayed      0.1  31 ms alice@s…example you@dem…example',
    '  3 s 01k9x2m4q8a7b3c5d6 refused        -      - <>              you@dem…mple +2',
  ]);
});

test('a wide screen has the verdict as well, and whole addresses', () => {
  const page = topPage(SAMPLE, { width: 132, height: 24 });
  const row = page.find(line => line.includes('accept '));
  assert.match(page.at(-2) ?? '', /accept +relayed +0\.1 +31 ms alice@sample\.example +you@demo\.example$/, row);
});

test('a gateway without mail says so; where it does not answer, that stands above all', () => {
  const lastMinute = { seconds: 60, verdicts: {}, states: {}, latency: null, recent: [] };
  const page = topPage({ ...SAMPLE, lastMinute }, { width: 80, height: 24 }, 'no answer since 19:30');
  assert.equal(page[0], 'no answer since 19:30');
  assert.equal(page[4], 'last minute  nothing');
  assert.equal(page.at(-1), 'no message yet');
});

const HOSTILE = 'a\u001b[2J\u009b31m\u202e\r\n漢字🎉e\u0301'.repeat(20);

for (const [width, height] of [
  [20, 5],
  [40, 12],
  [80, 24],
  [132, 50],
  [300, 100],
] as const) {
  test(`no mail and no other server breaks a screen of ${width} columns and ${height} lines`, () => {
    const parts = Array.from({ length: 30 }, (_, i) =>
      part(i % 2 === 0 ? 'next hop' : HOSTILE, i % 3 === 0 ? 'down' : 'degraded', HOSTILE, HOSTILE),
    );
    const recent = Array.from({ length: 50 }, () => ({ ...MESSAGE, from: HOSTILE, to: HOSTILE, recipients: 1000 }));
    const health = { ...SAMPLE.health, parts };
    const page = topPage(
      { ...SAMPLE, health, lastMinute: { ...SAMPLE.lastMinute, recent } },
      { width, height },
      HOSTILE,
    );
    assert.ok(page.length <= height, `${page.length}`);
    for (const line of page) {
      assert.ok(textWidth(line) <= width, `${textWidth(line)}: ${line}`);
      assert.doesNotMatch(line, /\p{Cc}|\u202e/u);
    }
    if (height >= 24) assert.ok(page.filter(line => line.includes(MESSAGE.id)).length >= 3, 'messages keep some room');
  });
}

test('what the settings have switched off is OK, and named, also beside what is ill', () => {
  const health = {
    ...SAMPLE.health,
    level: 'ok',
    doesNotProtect: ['viruses'],
    switchedOff: ['viruses'],
    parts: [part('rules', 'ok', 'fine')],
  } as const;
  const page = topPage({ ...SAMPLE, health }, { width: 100, height: 24 }).join('\n');
  assert.match(page, /^Postern .*: OK /m);
  assert.match(page, /^health {7}all parts are well$/m);
  assert.match(page, /^switched off {1}no protection from viruses$/m);
  const ill = { ...health, level: 'down', parts: [part('database', 'down', 'no disk')] } as const;
  const beside = topPage({ ...SAMPLE, health: ill }, { width: 100, height: 24 }).join('\n');
  assert.match(beside, /^Postern .*: DOWN /m);
  assert.match(beside, /^switched off {1}no protection from viruses$/m);
  const all = { ...health, doesNotProtect: [], switchedOff: [] };
  assert.doesNotMatch(topPage({ ...SAMPLE, health: all }, { width: 100, height: 24 }).join('\n'), /switched off/);
});
