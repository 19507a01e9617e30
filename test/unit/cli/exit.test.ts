import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CommanderError } from 'commander';
import { exitCodeOf, NoError, UsageError } from '../../../src/cli/exit.ts';
import { GatewayNotRunning } from '../../../src/platform/control-client.ts';
import { BadFile } from '../../../src/platform/problem.ts';

const PROBLEM = { file: 'a.yaml', line: 2, column: 3, message: 'wrong', hint: 'write right', source: 'x: wrong' };
const CASES: readonly (readonly [string, unknown, number, string])[] = [
  ['a no is 1', new NoError('nothing is there'), 1, 'postern: nothing is there\n'],
  ['wrong usage is 2', new UsageError('--limit x: expected a number'), 2, 'postern: --limit x: expected a number\n'],
  [
    'a bad file is 2 and reads as a compiler says it',
    new BadFile([PROBLEM]),
    2,
    'a.yaml:2:3: wrong\n  2 | x: wrong\n    |   ^\n  write right\n',
  ],
  ['what nobody thought of is 1, with its causes', broken(), 1, 'postern: not read: disk gone\n'],
  ['no gateway is 1, without the words of the system', silent(), 1, 'postern: not running: start it\n'],
  ['commander has said it already', new CommanderError(1, 'commander.unknownOption', 'x'), 2, ''],
  ['help is fine', new CommanderError(0, 'commander.helpDisplayed', 'x'), 0, ''],
];

for (const [name, error, code, said] of CASES) {
  test(`exit codes: ${name}`, t => {
    const written = stderrOf(t);
    assert.equal(exitCodeOf(error), code);
    assert.equal(written(), said);
  });
}

function broken(): Error {
  return new Error('not read', { cause: new Error('disk gone') });
}

function silent(): Error {
  return new GatewayNotRunning('not running: start it', { cause: new Error('connect ENOENT') });
}

function stderrOf(t: TestContext): () => string {
  let text = '';
  t.mock.method(process.stderr, 'write', (chunk: string) => {
    text += chunk;
    return true;
  });
  return () => text;
}
