// Says by its exit code whether node_modules holds what package-lock.json asks for: 0 yes, 1 no. Called by ../setup.sh
// with the machine's own Node, which may be old and may be the only thing there: plain JavaScript, no packages.

'use strict';

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');

/** The `packages` of a lock file, null where it cannot be read. */
function packagesOf(file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return null;
  }
}

function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  // npm writes here what it has really put in place.
  const present = packagesOf('node_modules/.package-lock.json');
  if (wanted === null || present === null) return false;
  for (const name of Object.keys(wanted)) {
    if (name === '') continue;
    // Packages for other processors and systems are left out rightly.
    if (wanted[name].optional === true && present[name] === undefined) continue;
    if (present[name] === undefined || present[name].version !== wanted[name].version) return false;
  }
  return fs.existsSync(path.join(root, 'node_modules/node/bin/node'));
}

process.exit(isInstalled() ? 0 : 1);
