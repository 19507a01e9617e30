import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { BadFile, nearest, PROBLEMS_MAX, type Problem, problemText } from '../../../src/platform/problem.ts';

const PROBLEM: Problem = {
  file: 'a.yaml',
  line: 12,
  column: 5,
  message: 'unknown key "nextHpo"',
  hint: 'did you mean "nextHop"?',
  source: '    nextHpo: x',
};

describe('problemText', () => {
  it('shows the place, the line with a caret, and the hint', () => {
    assert.equal(
      problemText(PROBLEM),
      'a.yaml:12:5: unknown key "nextHpo"\n  12 |     nextHpo: x\n     |     ^\n  did you mean "nextHop"?',
    );
  });

  it('leaves out what is not known', () => {
    assert.equal(problemText({ ...PROBLEM, hint: '', source: '' }), 'a.yaml:12:5: unknown key "nextHpo"');
  });

  it('shows the part of a long line where the problem is', () => {
    const source = `${'a'.repeat(500)}HERE${'b'.repeat(500)}`;
    const [, line = '', caret = ''] = problemText({ ...PROBLEM, line: 1, column: 501, source }).split('\n');
    assert.ok(line.length < 140, line);
    assert.equal(line.slice(caret.indexOf('^'), caret.indexOf('^') + 4), 'HERE');
  });

  it('sets the caret under the character, whatever stands before it', () => {
    // A terminal shows a tab as we print it (one blank), Chinese letters and emoji two columns wide, accents none.
    const cases: [string, number][] = [
      ['\tx', 1],
      ['äöü x', 4],
      ['日本 x', 5],
      ['😀 x', 3],
      ['e\u0301 x', 2],
    ];
    for (const [source, columns] of cases) {
      const text = problemText({ ...PROBLEM, line: 1, column: [...source].indexOf('x') + 1, source });
      assert.equal((text.split('\n')[2] ?? '').indexOf('^'), '  1 | '.length + columns, JSON.stringify(source));
    }
  });

  it('lets nothing out that moves the cursor or turns the direction of writing', () => {
    const hostile = 'a\u001b[2Jb\u202ec\u0007d\u2028e\u200bf\ud800g\rh\u009bi';
    const text = problemText({ ...PROBLEM, file: hostile, message: hostile, hint: hostile, source: hostile });
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e\u2028\ud800]/);
    assert.equal(text.split('\n').length, 4);
  });
});

describe('BadFile', () => {
  it('shows all problems, at most a screenful, and says how many more there are', () => {
    const many = Array.from({ length: PROBLEMS_MAX + 3 }, (_, i) => ({ ...PROBLEM, line: i + 1 }));
    const error = new BadFile(many);
    assert.equal(error.problems.length, PROBLEMS_MAX);
    assert.match(error.message, /\nand 3 more$/);
    assert.doesNotMatch(new BadFile(many.slice(0, 2)).message, /more$/);
  });
});

describe('nearest', () => {
  it('finds the word that was meant', () => {
    const cases: [string, string | null][] = [
      ['nextHpo', 'nextHop'],
      ['NEXTHOP', 'nextHop'],
      ['polcy', 'policy'],
      ['nxtHp', null],
      ['completely else', null],
      ['', null],
      ['x'.repeat(1000), null],
    ];
    for (const [word, expected] of cases)
      assert.equal(nearest(word, ['nextHop', 'policy', 'addresses']), expected, word);
  });

  it('takes the nearest of several', () => {
    assert.equal(nearest('connection', ['connections', 'connectionsPerAddress', 'connect']), 'connections');
  });
});
