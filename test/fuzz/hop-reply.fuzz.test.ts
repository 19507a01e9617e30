// Whatever bytes another server sends, the parser throws GarbledReply or gives replies inside the limits of the port,
// soon, and cutting the bytes elsewhere changes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  GarbledReply,
  hopReply,
  REPLY_LINES_MAX,
  REPLY_TEXT_MAX,
  ReplyParser,
} from '../../src/delivery/reply-parser.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const ROUNDS = rounds(20_000);
/** What replies are made of, so that most inputs get past the first line. */
const ALPHABET = [
  '250',
  '354',
  '550',
  '-',
  ' ',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '5.1.1',
  '2.0.0',
  '.',
  '9',
  'x',
  '\x00',
  '\x1b',
  'é',
  '\xff',
  '\u2028',
];

/** The replies as text, or `garbled` after those that came before it. */
function read(pieces: readonly Uint8Array[]): string {
  const parser = new ReplyParser();
  const replies = [];
  try {
    for (const piece of pieces) replies.push(...parser.push(piece));
  } catch (error) {
    if (!(error instanceof GarbledReply)) throw error;
    return 'garbled';
  }
  for (const reply of replies) assert(reply.rawLines.length <= REPLY_LINES_MAX);
  return JSON.stringify(replies.map(hopReply));
}

/** A few lines that are replies, with noise in their texts; sometimes noise alone, a damaged byte, or far too much. */
function input({ next, below, pick, text }: Chance): Buffer {
  const line = () => `${pick(['250', '250', '550'])}${pick([' ', ' ', '-'])}${text(ALPHABET, 2)}x\r\n`;
  const lines = next() < 0.8 ? Array.from({ length: below(5) }, line).join('') : text(ALPHABET, 39);
  const bytes = Buffer.from(lines, next() < 0.5 ? 'latin1' : 'utf8');
  if (next() < 0.1 && bytes.length > 0) bytes[below(bytes.length)] = below(256);
  return next() < 0.02 ? Buffer.concat(Array.from({ length: 200 }, () => bytes)) : bytes;
}

function cut(bytes: Buffer, { below }: Chance): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + below(20);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

test(`${ROUNDS} inputs: no error but GarbledReply, the same however cut, replies inside their limits`, t => {
  const luck = chance(t);
  let good = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = input(luck);
    const whole = read([bytes]);
    assert.equal(read(cut(bytes, luck)), whole, JSON.stringify(bytes.toString('latin1')));
    if (whole === 'garbled') continue;
    for (const reply of JSON.parse(whole)) {
      good++;
      assert(reply.code >= 200 && reply.code <= 599);
      assert(reply.text.length <= REPLY_TEXT_MAX);
      assert.doesNotMatch(reply.text, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
      assert.match(reply.enhanced ?? '2.0.0', /^[245]\.\d{1,3}\.\d{1,3}$/);
    }
  }
  assert(good > ROUNDS / 20, `only ${good} replies were read: the inputs are too bad to show anything`);
});
