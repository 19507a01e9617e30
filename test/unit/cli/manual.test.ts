// Every command has a whole manual page: sections in their order, no line too wide, nothing that is not there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examplesOf, fullName, manualPage } from '../../../src/cli/manual.ts';
import { everyCommand } from '../../../src/cli/manual-docs.ts';
import { program } from '../../../src/cli/program.ts';
import { textWidth } from '../../../src/platform/text-width.ts';

const ALL = everyCommand(program());
const SECTIONS = ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXAMPLES', 'EXIT STATUS'];

for (const command of ALL) {
  const name = fullName(command);

  test(`${name} --help is a page with all sections`, () => {
    const lines = manualPage(command, 80).split('\n');
    const titles = lines.filter(line => /^[A-Z]/.test(line));
    assert.deepEqual(
      titles.filter(title => SECTIONS.includes(title)),
      SECTIONS,
    );
    assert.equal(titles.includes('COMMANDS'), command.commands.length > 0);
    assert.ok(lines[1]?.startsWith(`    ${name} - `), lines[1]);
    for (const option of command.options) assert.ok(lines.join('\n').includes(option.long ?? ''), option.flags);
  });

  test(`${name} --help fits a terminal, also a narrow one`, () => {
    const examples = new Set(examplesOf(command).map(({ run }) => `        ${run}`));
    for (const width of [50, 80]) {
      // A command is copied as it stands: it is never broken.
      const wide = manualPage(command, width)
        .split('\n')
        .filter(line => textWidth(line) > width && !examples.has(line) && line.trim().includes(' '));
      assert.deepEqual(wide, [], `${width}`);
    }
  });

  test(`${name}: each example calls it, or a command below it`, () => {
    assert.ok(examplesOf(command).length > 0);
    for (const { run, does } of examplesOf(command)) {
      assert.ok(run.includes(name), run);
      assert.match(does, /^[a-z].*[^.]$/, 'goes on after the colon of the page');
    }
  });
}
