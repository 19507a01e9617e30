// docs/commands.md: every command's --help on one page. Called by scripts/generate-docs.ts; `npm run check` holds the
// page to it.

import type { Command } from 'commander';
import { fullName, manualPage } from './manual.ts';
import { program } from './program.ts';

const WIDTH = 80;

const HEAD = `# Commands

What \`bin/postern COMMAND --help\` prints, for reading at leisure. Made by \`npm run generate\`; do not edit it here.
`;

export function commandsMarkdown(): string {
  const all = everyCommand(program());
  const contents = all.map(command => {
    const name = fullName(command);
    return `- [${name}](#${name.replaceAll(' ', '-')}): ${command.description()}`;
  });
  const parts = all.map(command => `## ${fullName(command)}\n\n\`\`\`text\n${manualPage(command, WIDTH)}\`\`\`\n`);
  return [HEAD, `${contents.join('\n')}\n`, ...parts].join('\n');
}

/** The command itself, then those below it, in the order of --help. */
export function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
