import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { openScreen } from '../../../src/cli/screen.ts';

const LEAVE = '\u001b[?25h\u001b[?1049l';

test('a page is written over the one before, and what stood there before is back at the end, once', () => {
  const { out, keys, written } = terminal();
  const screen = openScreen(() => undefined, out, keys);
  assert.ok(written().startsWith('\u001b[?1049h\u001b[?25l'));
  assert.equal(keys.isRaw, true);
  screen.draw(['one', 'two']);
  assert.ok(written().endsWith('\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J'));
  screen.close();
  screen.close();
  screen.draw(['late']);
  assert.equal(written().split(LEAVE).length, 2);
  assert.ok(written().endsWith(LEAVE));
  assert.equal(keys.isRaw, false);
  assert.equal(out.listenerCount('resize') + keys.listenerCount('data'), 0);
});

for (const key of ['q', 'Q', '\u0003', '\u0004', '\u001b']) {
  test(`leaves at ${JSON.stringify(key)}, and not at an arrow`, () => {
    const { out, keys } = terminal();
    const screen = openScreen(() => undefined, out, keys);
    keys.emit('data', Buffer.from('\u001b[A'));
    keys.emit('data', Buffer.from('x'));
    assert.equal(screen.left.aborted, false);
    keys.emit('data', Buffer.from(key));
    assert.equal(screen.left.aborted, true);
    screen.close();
  });
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`leaves at ${signal}, and is not in the way of it afterwards`, () => {
    const { out, keys } = terminal();
    const before = process.listenerCount(signal);
    const screen = openScreen(() => undefined, out, keys);
    process.emit(signal, signal);
    assert.equal(screen.left.aborted, true);
    screen.close();
    assert.equal(process.listenerCount(signal), before);
  });
}

test('a terminal of another size is drawn anew, in that size', () => {
  const { out, keys } = terminal();
  let drawn = 0;
  const screen = openScreen(() => drawn++, out, keys);
  out.columns = 132;
  out.emit('resize');
  assert.equal(drawn, 1);
  assert.equal(screen.width, 132);
  screen.close();
});

function terminal() {
  let text = '';
  const out = Object.assign(new EventEmitter(), {
    columns: 80,
    rows: 24,
    write: (chunk: string) => {
      text += chunk;
      return true;
    },
  });
  const keys = Object.assign(new EventEmitter(), {
    isTTY: true,
    isRaw: false,
    setRawMode: (isRaw: boolean) => {
      keys.isRaw = isRaw;
    },
    resume: () => undefined,
    pause: () => undefined,
  });
  return { out, keys, written: () => text };
}
