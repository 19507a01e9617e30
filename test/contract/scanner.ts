// What every scanner must keep, whatever it asks: deadline kept, never a raw error, nothing written into its task, no
// answer where the peer is dead, stalls or lies, many at once, nothing left open. Called by test/contract/NAME.test.ts.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';

import { EVIDENCE_MAX, type Finding } from '../../src/mail/finding.ts';
import type { Scanner, ScanTask } from '../../src/mail/ports.ts';
import { messageFolder, type Wanted } from '../support/scan-task.ts';
import { waitFor } from '../support/wait-for.ts';

/** A scanner with its peer, as one test needs it. */
export interface Bench {
  readonly scanner: Scanner;
  /** Open connections at the peer, null where it has none. */
  connections(): number | null;
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** The peer answers; null where it is not installed (the test has been skipped then). */
  healthy(t: TestContext): Promise<Bench | null>;
  /** The peer takes the question and never answers. */
  stalled(): Promise<Bench>;
  /** Each way of the peer to be of no use, by name. */
  readonly faults: Readonly<Record<string, () => Promise<Bench>>>;
  /** A message that makes it ask its peer. */
  readonly message: Wanted;
  /** Does the answer say that there was none? `unavailable` unless told. */
  saysNothingKnown?(findings: readonly Finding[]): boolean;
}

/** Generous: the machine may be busy. What must not happen is an end at some timeout of 5 s or more. */
const SOON_MS = 4000;

export function scannerContract(subject: Subject): void {
  const isUnknown = subject.saysNothingKnown ?? hasUnavailable;
  const withBench = benchOf(subject.message);

  describe(`${subject.name} as a scanner`, () => {
    test('states well-formed facts while its peer is well', t =>
      withBench(
        () => subject.healthy(t),
        async ({ scanner }, newTask) => {
          const findings = await scanner.scan(await newTask(), signal(SOON_MS));
          assert.equal(hasUnavailable(findings), false, JSON.stringify(findings));
          for (const finding of findings) assertWellFormed(finding);
          assert.equal((await scanner.health()).part, scanner.name);
        },
      ));

    test('gives twenty messages at once what it gives one', t =>
      withBench(
        () => subject.healthy(t),
        async ({ scanner }, newTask) => {
          const one = await scanner.scan(await newTask(), signal(SOON_MS));
          const tasks = await Promise.all(Array.from({ length: 20 }, newTask));
          const all = await Promise.all(tasks.map(task => scanner.scan(task, signal(20_000))));
          for (const findings of all) assert.deepEqual(findings, one);
        },
      ));

    test('ends soon after its signal, with its connections closed', () =>
      withBench(subject.stalled, async (bench, newTask) => {
        const control = new AbortController();
        const scan = bench.scanner.scan(await newTask(), control.signal);
        await new Promise(resolve => setImmediate(resolve));
        control.abort(new Error('deadline'));
        assert.ok(isUnknown(await within(SOON_MS, scan)));
        await waitFor('its connections are closed', () => (bench.connections() ?? 0) === 0, SOON_MS);
      }));

    test('does not begin after its signal', () =>
      withBench(subject.stalled, async (bench, newTask) => {
        const scan = bench.scanner.scan(await newTask(), AbortSignal.abort(new Error('late')));
        assert.ok(isUnknown(await within(SOON_MS, scan)));
        assert.equal(bench.connections() ?? 0, 0);
      }));

    test('ends what it does when it is closed, begins nothing more, and may be closed twice', () =>
      withBench(subject.stalled, async (bench, newTask) => {
        const scan = bench.scanner.scan(await newTask(), signal(60_000));
        await bench.scanner.close();
        assert.ok(isUnknown(await within(SOON_MS, scan)));
        assert.ok(isUnknown(await within(SOON_MS, bench.scanner.scan(await newTask(), signal(60_000)))));
        await bench.scanner.close();
        assert.notEqual((await bench.scanner.health()).level, 'ok');
      }));

    for (const [fault, make] of Object.entries(subject.faults)) {
      test(`says that it does not know when its peer ${fault}`, () =>
        withBench(make, async ({ scanner }, newTask) => {
          const tasks = await Promise.all(Array.from({ length: 3 }, newTask));
          const all = await within(SOON_MS, Promise.all(tasks.map(task => scanner.scan(task, signal(500)))));
          for (const findings of all) {
            assert.ok(isUnknown(findings), JSON.stringify(findings));
            for (const finding of findings) assertWellFormed(finding);
          }
          assert.equal(typeof (await scanner.health()).says, 'string');
        }));
    }
  });
}

type NewTask = () => Promise<ScanTask>;

function benchOf(message: Wanted) {
  return async (make: () => Promise<Bench | null>, work: (bench: Bench, newTask: NewTask) => Promise<void>) => {
    const bench = await make();
    if (bench === null) return;
    const folder = await messageFolder();
    try {
      await work(bench, () => folder.task(message));
    } finally {
      await bench.scanner.close();
      await bench.stop();
      await folder.remove();
    }
  };
}

function hasUnavailable(findings: readonly Finding[]): boolean {
  return findings.some(finding => finding.kind === 'unavailable');
}

function assertWellFormed(finding: Finding): void {
  assert.deepEqual(JSON.parse(JSON.stringify(finding)), finding);
  assert.ok(JSON.stringify(finding).length < 4000);
  if (finding.kind !== 'hit') return;
  assert.match(finding.symbol, /^[A-Z][A-Z0-9_]{1,63}$/);
  assert.ok(finding.strength >= 0 && finding.strength <= 1);
  assert.ok(finding.evidence.length <= EVIDENCE_MAX);
}

function signal(ms: number): AbortSignal {
  return AbortSignal.timeout(ms);
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not ended within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
