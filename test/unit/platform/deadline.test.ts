import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { DeadlinePassed, orAborted, pause, withDeadline, withEither } from '../../../src/platform/deadline.ts';

const never = () => new Promise<never>(() => undefined);

test('work that is done in time gives its result, and leaves no listener', async () => {
  const outer = new AbortController();
  assert.equal(await withDeadline(10_000, 'work', async () => 'done', outer.signal), 'done');
  assert.equal(getEventListeners(outer.signal, 'abort').length, 0);
});

test('work that does not listen to its signal is left behind at the deadline', async () => {
  let seen: AbortSignal | null = null;
  const work = (signal: AbortSignal) => {
    seen = signal;
    return never();
  };
  await assert.rejects(withDeadline(5, 'clamd', work), (error: Error) => {
    assert.ok(error instanceof DeadlinePassed);
    assert.equal(error.message, 'clamd: no answer within 5 ms');
    return true;
  });
  assert.ok(seen !== null && (seen as AbortSignal).aborted);
});

test('the outer signal ends the work with its own reason, also when it fired before', async () => {
  const outer = new AbortController();
  const reason = new Error('the client has gone');
  const waiting = withDeadline(10_000, 'work', never, outer.signal);
  outer.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(withDeadline(10_000, 'work', never, outer.signal), reason);
});

test('work that fails rejects with its own error', async () => {
  const failure = new Error('broken');
  await assert.rejects(
    withDeadline(10_000, 'work', () => Promise.reject(failure)),
    failure,
  );
});

test('a late failure of work that nobody waits for any more is no unhandled rejection', async () => {
  const control = new AbortController();
  const late = Promise.withResolvers<never>();
  const waiting = orAborted(control.signal, late.promise);
  control.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  late.reject(new Error('late'));
  await new Promise(resolve => setImmediate(resolve));
});

test('a pause ends early with the signal', async () => {
  await pause(1);
  const control = new AbortController();
  const waiting = pause(60_000, control.signal);
  control.abort(new Error('woken'));
  await assert.rejects(waiting, /woken/);
});

test('either of two signals ends the work with its reason, and neither keeps a listener', async () => {
  for (const which of [0, 1]) {
    const both = [new AbortController(), new AbortController()] as const;
    const run = (work: (signal: AbortSignal) => Promise<unknown>) => withEither(both[0].signal, both[1].signal, work);
    assert.equal(await run(async () => 'done'), 'done');
    await assert.rejects(
      run(async () => {
        throw new Error('broken');
      }),
      /broken/,
    );
    const seen: AbortSignal[] = [];
    const waiting = run(signal => {
      seen.push(signal);
      return never();
    });
    const reason = new Error('enough');
    both[which]?.abort(reason);
    await assert.rejects(waiting, reason);
    assert.equal(seen[0]?.reason, reason);
    await assert.rejects(run(never), reason, 'also when it fired before');
    for (const { signal } of both) assert.equal(getEventListeners(signal, 'abort').length, 0);
  }
});
