// I10 at its smallest: where content ends, and which dots are not content, at every cut.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DotReader } from '../../../../src/gateway/smtp/dot-reader.ts';

interface Read {
  readonly content: string;
  /** null while the end has not come. */
  readonly behind: string | null;
}

/** The same in one regular expression each, over the whole text. */
function reference(text: string): Read {
  const whole = `\r\n${text}`;
  const end = whole.indexOf('\r\n.\r\n');
  const content = (end === -1 ? whole : whole.slice(0, end + 2)).replace(/\n\.\./g, '\n.').slice(2);
  return { content, behind: end === -1 ? null : whole.slice(end + 5) };
}

function read(chunks: readonly string[]): Read {
  const reader = new DotReader();
  let content = '';
  for (const [index, chunk] of chunks.entries()) {
    const piece = reader.read(Buffer.from(chunk, 'latin1'));
    content += piece.content.toString('latin1');
    if (piece.behind !== null) {
      return { content, behind: piece.behind.toString('latin1') + chunks.slice(index + 1).join('') };
    }
  }
  return { content, behind: null };
}

test('I10: every text of six octets out of CR, LF, dot and letter is read alike at every cut', () => {
  const alphabet = ['\r', '\n', '.', 'a'];
  for (let number = 0; number < 4 ** 6; number++) {
    const text = Array.from({ length: 6 }, (_, place) => alphabet[Math.floor(number / 4 ** place) % 4]).join('');
    const whole = `${text}\r\n.\r\nQUIT`;
    const expected = reference(whole);
    for (let cut = 0; cut <= 8; cut++) {
      assert.deepEqual(read([whole.slice(0, cut), whole.slice(cut)]), expected, JSON.stringify([whole, cut]));
    }
    assert.deepEqual(read([...whole]), expected, `${JSON.stringify(whole)} octet by octet`);
  }
});

test('what may still become the end is held back, the rest is not', () => {
  const reader = new DotReader();
  assert.equal(reader.read(Buffer.from('.')).content.toString(), '');
  assert.equal(reader.read(Buffer.from('x\r\n.\r')).content.toString(), '.x');
  const piece = reader.read(Buffer.from('\nRSET'));
  assert.equal(piece.content.toString(), '\r\n');
  assert.equal(piece.behind?.toString(), 'RSET');
});
