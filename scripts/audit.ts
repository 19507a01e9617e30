// Says whether dependencies and files are as docs/security.md promises; called by check.sh. Asks no network.

import { join } from 'node:path';

import { ADVISORIES, REVIEWED } from './audit/advisories.ts';
import { audit } from './audit/audit.ts';

const { packages, files, problems } = audit(join(import.meta.dirname, '..'));
for (const problem of problems) console.error(problem);
console.log(
  `${packages} packages and ${files} files looked at, ${ADVISORIES.length} published holes compared (list of ${REVIEWED})`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
