import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Finding } from '../../../src/mail/finding.ts';
import type { Expander, Scanner } from '../../../src/mail/ports.ts';
import { createJudge, type JudgeOptions } from '../../../src/pipeline/judge.ts';
import { silentLog } from '../../../src/platform/log.ts';
import {
  fakeEntry,
  fakeExpander,
  fakeScanner,
  newId,
  plainCombine,
  quickExpander,
  stuckExpander,
  untilAborted,
} from '../../support/scan-fakes.ts';

const never = new AbortController().signal;
const hit: Finding = { kind: 'hit', symbol: 'HIT', strength: 1, evidence: '' };
const summary = { subject: 's', from: [], messageId: '', linkDomains: ['example.org'], attachments: [] };

function judgeWith(expander: Expander, scanners: readonly Scanner[], more: Partial<JudgeOptions> = {}) {
  const parts = () => ({ expander, scanners, combine: plainCombine });
  return createJudge({ parts, expandThreads: 2, expandMs: 5000, scannerMs: {}, log: silentLog(), ...more });
}

const kinds = (findings: readonly Finding[]) => findings.map(finding => finding.kind);
const soon = (ms = 5000) => Date.now() + ms;

test('every scanner gets what the thread found out, and all findings are combined', async () => {
  const expander = fakeExpander(async () => ({ findings: [hit], summary }));
  const seen: unknown[] = [];
  const scanners = ['a', 'b'].map(name =>
    fakeScanner(name, async task => {
      seen.push(task.summary?.linkDomains);
      return [{ ...hit, symbol: name.toUpperCase() + name.toUpperCase() }];
    }),
  );
  const report = await judgeWith(expander, scanners)(fakeEntry(), soon(), never);
  assert.deepEqual(seen, [['example.org'], ['example.org']]);
  assert.deepEqual(
    report.findings.map(finding => [finding.scanner, finding.kind === 'hit' && finding.symbol]),
    [
      ['rules', 'HIT'],
      ['a', 'AA'],
      ['b', 'BB'],
    ],
  );
  assert.equal(report.summary, summary);
});

test('what the thread knows of the message reaches the formulas', async () => {
  const facts = { digest: 'abc', holds: [[1, 'seen']] as const };
  const expander = fakeExpander(async () => ({ findings: [], summary, facts }));
  let seen: unknown = null;
  const combine: typeof plainCombine = (entry, runs, about) => {
    seen = runs.find(run => run.scanner === 'rules')?.facts;
    return plainCombine(entry, runs, about);
  };
  await judgeWith(expander, [], { parts: () => ({ expander, scanners: [], combine }) })(fakeEntry(), soon(), never);
  assert.deepEqual(seen, facts);
});

test('scanners work at the same time', async () => {
  let inside = 0;
  let together: () => void = () => undefined;
  const all = new Promise<void>(resolve => {
    together = resolve;
  });
  const scanners = ['a', 'b', 'c'].map(name =>
    fakeScanner(name, async () => {
      inside += 1;
      if (inside === 3) together();
      await all;
      return [];
    }),
  );
  const report = await judgeWith(quickExpander, scanners)(fakeEntry(), soon(), never);
  assert.deepEqual(kinds(report.findings), []);
});

const broken: readonly { name: string; scan: Scanner['scan']; says: RegExp }[] = [
  { name: 'rejects', scan: async () => Promise.reject(new Error('boom')), says: /boom/ },
  {
    name: 'throws',
    scan: () => {
      throw new Error('bang');
    },
    says: /bang/,
  },
  { name: 'never ends', scan: (_task, signal) => untilAborted(signal), says: /no answer within 50 ms/ },
  { name: 'never ends and does not listen', scan: () => new Promise(() => undefined), says: /no answer within 50 ms/ },
  { name: 'answers nonsense', scan: async () => 'clean' as unknown as Finding[], says: /gave no findings/ },
];
for (const { name, scan, says } of broken) {
  test(`a scanner that ${name} is unavailable, and the others are heard`, async () => {
    const judge = judgeWith(quickExpander, [fakeScanner('bad', scan), fakeScanner('good', async () => [hit])], {
      scannerMs: { bad: 50 },
    });
    const { findings } = await judge(fakeEntry(), soon(), never);
    assert.deepEqual(kinds(findings), ['unavailable', 'hit']);
    assert.match(findings[0]?.kind === 'unavailable' ? findings[0].reason : '', says);
    assert.equal(findings[0]?.kind === 'unavailable' && findings[0].scanner, 'bad');
  });
}

test('a scanner gets no more time than the message has left', async () => {
  const judge = judgeWith(quickExpander, [fakeScanner('slow', (_task, signal) => untilAborted(signal))]);
  const deadline = soon(500);
  const { findings } = await judge(fakeEntry(), deadline, never);
  assert.deepEqual(kinds(findings), ['unavailable']);
  assert.ok(Date.now() < deadline, 'the report is there before its deadline');
});

test('a message that needs its thread longer than allowed is tried twice, then it is unscannable', async () => {
  const expander = stuckExpander();
  const { findings } = await judgeWith(expander, [], { expandMs: 30 })(fakeEntry(), soon(), never);
  assert.equal(expander.calls, 2);
  assert.deepEqual(kinds(findings), ['unscannable']);
  assert.match(findings[0]?.kind === 'unscannable' ? findings[0].reason : '', /killed its thread twice/);
});

test('a thread that dies under the message counts as killed by it', async () => {
  let calls = 0;
  const expander = fakeExpander(async () => {
    calls += 1;
    throw Object.assign(new Error('the thread ended'), { name: 'ThreadLost' });
  });
  const { findings } = await judgeWith(expander, [])(fakeEntry(), soon(), never);
  assert.equal(calls, 2);
  assert.deepEqual(kinds(findings), ['unscannable']);
});

test('a message that kills its thread once only is judged by the second try', async () => {
  let calls = 0;
  const expander = fakeExpander((_entry, signal) => {
    calls += 1;
    return calls === 1 ? untilAborted(signal) : Promise.resolve({ findings: [hit], summary });
  });
  const { findings } = await judgeWith(expander, [], { expandMs: 30 })(fakeEntry(), soon(), never);
  assert.deepEqual(kinds(findings), ['hit']);
});

test('killed once with too little time for another try is unavailable, not unscannable', async () => {
  const expander = stuckExpander();
  const { findings } = await judgeWith(expander, [], { expandMs: 30 })(fakeEntry(), soon(700), never);
  assert.equal(expander.calls, 1);
  assert.deepEqual(kinds(findings), ['unavailable']);
});

test('a thread that is cut by the deadline of the message is unavailable: it did not have its time', async () => {
  const expander = stuckExpander();
  const { findings } = await judgeWith(expander, [], { expandMs: 5000 })(fakeEntry(), soon(500), never);
  assert.equal(expander.calls, 1);
  assert.deepEqual(kinds(findings), ['unavailable']);
});

test('waiting for a free thread is not held against the message', async () => {
  const expander = stuckExpander();
  const judge = judgeWith(expander, [], { expandThreads: 1, expandMs: 400 });
  const first = judge(fakeEntry(), soon(10_000), never);
  const second = await judge(fakeEntry(), soon(700), never);
  assert.deepEqual(kinds(second.findings), ['unavailable']);
  assert.deepEqual(kinds((await first).findings), ['unscannable']);
});

test('an expander that fails otherwise is unavailable, and the scanners still work without a summary', async () => {
  const expander = fakeExpander(async () => Promise.reject(new Error('no such file')));
  const seen: unknown[] = [];
  const scanner = fakeScanner('other', async task => {
    seen.push(task.summary);
    return [hit];
  });
  const { findings } = await judgeWith(expander, [scanner])(fakeEntry(), soon(), never);
  assert.deepEqual(kinds(findings), ['unavailable', 'hit']);
  assert.equal(findings[0]?.scanner, 'rules');
  assert.deepEqual(seen, [null]);
});

test('a message is judged by the set of rules it began with, the next one by the new set', async () => {
  const named = (symbol: string) => fakeScanner('x', async () => [{ ...hit, symbol }]);
  let set = { expander: quickExpander, scanners: [named('OLD')], combine: plainCombine };
  const reloading = {
    ...set,
    expander: fakeExpander(async () => {
      set = { expander: quickExpander, scanners: [named('NEW')], combine: plainCombine };
      return { findings: [], summary: null };
    }),
  };
  set = reloading;
  const judge = createJudge({ parts: () => set, expandThreads: 1, expandMs: 1000, scannerMs: {}, log: silentLog() });
  const symbols = async () => (await judge(fakeEntry(), soon(), never)).findings.map(f => f.kind === 'hit' && f.symbol);
  assert.deepEqual(await symbols(), ['OLD']);
  assert.deepEqual(await symbols(), ['NEW']);
});

test('a job that is no longer ours ends without a report', async () => {
  const lost = new AbortController();
  const judge = judgeWith(quickExpander, [fakeScanner('slow', (_task, signal) => untilAborted(signal))]);
  const judged = judge(fakeEntry(), soon(), lost.signal);
  lost.abort(new Error('its lock was lost'));
  await assert.rejects(judged, /its lock was lost/);
});

test('findings without end are cut', async () => {
  const scanner = fakeScanner('talker', async () => Array.from({ length: 5000 }, () => hit));
  const { findings } = await judgeWith(quickExpander, [scanner])(fakeEntry(), soon(), never);
  assert.equal(findings.length, 1000);
});

test('a small message never stands behind large ones: a thread is kept for it', async () => {
  const opened = Promise.withResolvers<void>();
  const begun: number[] = [];
  const expander = fakeExpander(async ({ sizeBytes }) => {
    begun.push(sizeBytes);
    if (sizeBytes > 1000) await opened.promise;
    return { findings: [], summary };
  });
  const judge = judgeWith(expander, []);
  const large = [1, 2, 3].map(i => judge(fakeEntry(newId(), i * 5_000_000), soon(60_000), never));
  for (let i = 0; i < 5; i++) await judge(fakeEntry(newId(), 100 + i), soon(60_000), never);
  assert.deepEqual(
    begun.filter(size => size > 1000),
    [5_000_000],
    'one large message alone',
  );
  opened.resolve();
  await Promise.all(large);
  assert.equal(begun.length, 8);
});
