import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DotStuffer, stuffed } from '../../../src/delivery/dot-stuffer.ts';
import { MailError } from '../../../src/mail/error.ts';

const NEVER = new AbortController().signal;

/** As it goes on the wire, cut into chunks of `size`. */
function onWire(text: string, size = 1000): string {
  const stuffer = new DotStuffer();
  const bytes = Buffer.from(text, 'latin1');
  let wire = '';
  for (let at = 0; at < bytes.length; at += size) {
    wire += Buffer.from(stuffer.push(bytes.subarray(at, at + size))).toString('latin1');
  }
  return wire + stuffer.end();
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

const CASES: readonly [string, string, string][] = [
  ['nothing', '', '.\r\n'],
  ['a line', 'a\r\n', 'a\r\n.\r\n'],
  ['a last line without an end', 'a', 'a\r\n.\r\n'],
  ['a dot at the very start', '.\r\n', '..\r\n.\r\n'],
  ['a dot alone on a line', 'a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
  ['two dots', 'a\r\n..b\r\n', 'a\r\n...b\r\n.\r\n'],
  ['dots inside a line', 'a.b.\r\n', 'a.b.\r\n.\r\n'],
  ['8-bit bytes', '\x80\xff\r\n', '\x80\xff\r\n.\r\n'],
];

for (const [what, input, expected] of CASES) {
  test(`stuffs ${what}, however it is cut`, () => {
    for (const size of [1, 2, 3, 1000]) assert.equal(onWire(input, size), expected);
  });
}

for (const [what, input] of [
  ['a bare LF', 'a\nb\r\n'],
  ['a NUL', 'a\0b\r\n'],
  ['a NUL that hides an end', 'a\r\n\0.\r\n'],
  ['an LF at the start', '\na\r\n'],
  ['a bare CR', 'a\rb\r\n'],
  ['a CR at the end', 'a\r\n\r'],
  ['CR CR LF', 'a\r\r\n'],
  ['the ends that smugglers use', 'a\n.\r\n'],
  ['the ends that smugglers use, with CR', 'a\r.\r\n'],
] as const) {
  test(`I10: ${what} never goes out`, () => {
    for (const size of [1, 2, 1000]) assert.throws(() => onWire(input, size), MailError);
  });
}

test('a chunk with nothing to change is passed on without a copy', () => {
  const chunk = Buffer.from('hello\r\n');
  assert.equal(new DotStuffer().push(chunk), chunk);
});

test('small chunks are joined, and are safe from a source that uses its memory again', async () => {
  const memory = Buffer.alloc(3);
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const text of ['a\r\n', 'b\r\n', '.\r\n']) yield memory.fill(text);
  }
  const pieces = await collect(stuffed(source(), new DotStuffer(), NEVER));
  assert.deepEqual(pieces.map(String), ['a\r\nb\r\n..\r\n']);
});

test('a source that hangs is left when the signal fires', async () => {
  const control = new AbortController();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a\r\n');
    await new Promise(() => undefined);
  }
  const all = collect(stuffed(source(), new DotStuffer(), control.signal));
  control.abort(new Error('enough'));
  await assert.rejects(all, /enough/);
});

test('a source is told to end when nobody wants the rest', async () => {
  let isEnded = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(40_000, 'x');
    } finally {
      isEnded = true;
    }
  }
  for await (const _ of stuffed(source(), new DotStuffer(), NEVER)) break;
  await new Promise(setImmediate);
  assert.equal(isEnded, true);
});
