import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startProgress } from '../../../src/cli/progress.ts';

test('a quick command shows nothing, a slow one a line that is gone at the end', t => {
  const { to, written, pass } = terminal(t, true);
  const progress = startProgress(() => 'judged 1 of 2', to);
  pass(900);
  assert.equal(written(), '');
  pass(400);
  assert.match(written(), /judged 1 of 2$/);
  progress.stop();
  assert.ok(written().endsWith('\r\u001b[K'));
  const all = written();
  pass(5000);
  assert.equal(written(), all);
});

test('where stderr is a file or a pipe there is never a line', t => {
  const { to, written, pass } = terminal(t, false);
  const progress = startProgress(() => 'judged 1 of 2', to);
  pass(5000);
  progress.stop();
  assert.equal(written(), '');
});

function terminal(t: TestContext, isTTY: boolean) {
  let now = 0;
  let text = '';
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => now);
  const write = (chunk: string) => {
    text += chunk;
    return true;
  };
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 50;
      t.mock.timers.tick(50);
    }
  };
  return { to: { isTTY, write }, written: () => text, pass };
}
