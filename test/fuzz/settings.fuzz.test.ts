// Whatever stands in the file, reading it ends in settings or in BadFile: never in another error, and never in a crash
// of the process that holds the old settings.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { compareSettings } from '../../src/config/compare.ts';
import { configMarkdown } from '../../src/config/docs.ts';
import { parseSettings } from '../../src/config/load.ts';
import { maskedSettings } from '../../src/config/mask.ts';
import { BadFile, PROBLEMS_MAX } from '../../src/platform/problem.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { FILE, settingsOf, WORLD } from '../unit/config/world.ts';

const ROUNDS = rounds(600);

/** What hurts parsers: YAML's own signs, names every object has, numbers at the edges, strange letters. */
const PIECES = [
  ...[
    '*',
    '&a ',
    '!',
    '[',
    ']',
    '{',
    '}',
    ': ',
    ',',
    '- ',
    '"',
    "'",
    '#',
    '|',
    '>',
    '?',
    '\n',
    '\t',
    '  ',
    '---\n',
    '<<: ',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'null',
    '~',
    'true',
    '.nan',
    '-.inf',
    '0x10',
    '1e999',
    '-1',
    '0',
  ],
  ...[
    '99999999999999999999',
    '0s',
    '64MiB',
    'default',
    'never',
    'embedded',
    'smtp://',
    'lmtp:/',
    'maildir:',
    '0.0.0.0/0',
    '::',
    '*a',
  ],
  ...[
    'ü',
    '\u202e',
    '\u0000',
    '\ud800',
    '\u2028',
    '日本',
    '😀',
    'a'.repeat(300),
    '%41',
    '\r',
    'domains:\n',
    'policies:\n',
    '@',
    '/',
  ],
];

const BASES = [...configMarkdown().matchAll(/```yaml\n(.*?)```/gs)].map(match => match[1] ?? '');

function mutate(text: string, { below, pick }: Chance): string {
  let changed = text;
  for (let i = below(4); i >= 0; i--) {
    const from = below(changed.length + 1);
    const piece = pick(PIECES);
    const lines = changed.split('\n');
    switch (below(5)) {
      case 0:
        changed = changed.slice(0, from) + piece + changed.slice(from);
        break;
      case 1:
        changed = changed.slice(0, from) + changed.slice(from + 1 + below(12));
        break;
      case 2:
        changed = changed.slice(0, from) + piece + changed.slice(from + piece.length);
        break;
      case 3:
        lines.splice(below(lines.length), 1, ...lines.slice(below(lines.length)).slice(0, 2));
        changed = lines.join('\n');
        break;
      default: {
        // The value of one key becomes something else.
        const keys = [...changed.matchAll(/: +[^\n,}]+/g)];
        const key = keys[below(Math.max(1, keys.length))];
        if (key !== undefined)
          changed = `${changed.slice(0, key.index)}: ${piece}${changed.slice(key.index + key[0].length)}`;
      }
    }
  }
  return changed;
}

describe('settings of any text', () => {
  it('are read, or refused with places and words', t => {
    const luck = chance(t);
    const old = settingsOf('');
    const ends = { read: 0, refused: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const text = mutate(luck.pick(BASES), luck);
      try {
        const settings = parseSettings(FILE, text, WORLD);
        compareSettings(old, settings);
        JSON.stringify(maskedSettings(settings));
        assert.ok(settings.policies.has('default'));
        ends.read++;
      } catch (error) {
        assert.ok(error instanceof BadFile, `${String(error)}\n${JSON.stringify(text)}`);
        assert.ok(error.problems.length > 0 && error.problems.length <= PROBLEMS_MAX);
        for (const { line, column, message } of error.problems) {
          assert.ok(line >= 1 && column >= 1 && message !== '', JSON.stringify(text));
          assert.doesNotMatch(message, /undefined|\[object|something else/, JSON.stringify(text));
        }
        ends.refused++;
      }
    }
    assert.ok(ends.read > ROUNDS / 50 && ends.refused > ROUNDS / 4, JSON.stringify(ends));
  });

  it('are refused as bytes that are no text', t => {
    const { below } = chance(t);
    for (let round = 0; round < 100; round++) {
      const bytes = Uint8Array.from({ length: 200 }, () => below(256));
      assert.throws(() => parseSettings(FILE, bytes, WORLD), BadFile);
    }
  });
});
