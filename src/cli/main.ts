// Where bin/postern enters, on the right Node: lets Node keep what it compiled, then runs the command line. Nothing is
// imported above that: the cache holds only for what is loaded after it, and it halves the start of every command.

import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Beside the code and not in /tmp, where another user could put code of his own into it. Where we may not write there,
// Node goes on without.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/postern'));
const { run } = await import('./program.ts');
await run(process.argv);
