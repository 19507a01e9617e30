// The scripts are run, where a shell is there to run them: bash everywhere, zsh and fish where installed.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bashScript, fishScript, zshScript } from '../../../src/cli/completion-scripts.ts';
import { wordsOf } from '../../../src/cli/completion-words.ts';
import { program } from '../../../src/cli/program.ts';

const ALL = wordsOf(program());
const ID = '01k9x2m4q8a7b3c5d6-1';

const CASES: readonly (readonly [string, string, string])[] = [
  ['commands', 'postern qua', 'quarantine'],
  ['commands below', 'postern quarantine re', 'release'],
  ['options', 'postern quarantine list --st', '--state'],
  ['values of an option', 'postern quarantine list --state rele', 'releasing released'],
  ['files of an option', 'postern doctor --config set', 'settings.yaml'],
  ['files', 'postern check set', 'settings.yaml'],
  ['ids of held copies', 'postern quarantine show ', ID],
  ['ids by other settings', 'postern trace --config settings.yaml ', `${ID} by-settings.yaml`],
  ['shells', 'postern completion f', 'fish'],
];

for (const [what, line, expected] of CASES) {
  test(`bash completes ${what}: ${line}`, t => {
    const folder = world(t);
    const words = line.split(' ').map(word => `'${word}'`);
    const script = `${bashScript(ALL)}
COMP_WORDS=(${words.join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _postern; echo "\${COMPREPLY[*]}"`;
    const said = execFileSync('bash', ['--norc', '-c', script], { cwd: folder, env: environment(folder) });
    assert.equal(said.toString().trim(), expected);
  });
}

for (const [shell, script] of [
  ['bash', bashScript(ALL)],
  ['zsh', zshScript(ALL)],
  ['fish', fishScript(ALL)],
] as const) {
  test(`the script for ${shell} can be read by it`, t => {
    // Nothing else of ours needs zsh and fish: where they are missing, only what the scripts say is looked at below.
    if (shell !== 'bash' && spawnSync(shell, ['--version']).error !== undefined) return;
    const file = join(world(t), 'script');
    writeFileSync(file, script);
    assert.deepEqual(spawnSync(shell, ['-n', file]).stderr.toString(), '');
  });
}

test('every command and option is in every script', () => {
  for (const script of [bashScript(ALL), zshScript(ALL), fishScript(ALL)]) {
    for (const { path, options } of ALL) {
      for (const word of path.split(' ')) assert.ok(script.includes(word), word);
      for (const flag of options.flatMap(({ flags }) => flags))
        assert.ok(script.includes(flag.replace(/^-+/, '')), flag);
    }
  }
});

/** A folder with a file to complete, and a program that knows one held copy. */
function world(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-completion-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'settings.yaml'), '');
  const fake = `#!/bin/sh\nprintf '${ID}\\tspam for a@b: hello\\n'\n[ -z "$4" ] || echo "by-$4"\n`;
  writeFileSync(join(folder, 'postern'), fake);
  chmodSync(join(folder, 'postern'), 0o755);
  return folder;
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
}
