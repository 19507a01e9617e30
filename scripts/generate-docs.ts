// Writes the documentation that is made from the source, or with --check says whether what is there is current.
// Called by `npm run generate` and `npm run check`. Exit 1: something is out of date.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { commandsMarkdown } from '../src/cli/manual-docs.ts';
import { configMarkdown } from '../src/config/docs.ts';
import { configJsonSchema } from '../src/config/json-schema.ts';

const ROOT = new URL('..', import.meta.url);

/** Path from the root, and what should stand there. */
const GENERATED: readonly (readonly [string, () => string])[] = [
  ['docs/commands.md', commandsMarkdown],
  ['docs/config.md', configMarkdown],
  ['docs/postern.schema.json', configJsonSchema],
];

const isCheck = process.argv.includes('--check');
for (const [path, make] of GENERATED) {
  const file = fileURLToPath(new URL(path, ROOT));
  const wanted = make();
  if (read(file) === wanted) continue;
  if (isCheck) {
    console.error(`${path} is out of date: run \`npm run generate\` and commit it`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, wanted);
    console.log(`wrote ${path}`);
  }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
