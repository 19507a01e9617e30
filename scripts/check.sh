#!/bin/sh
# Everything that can be said about the source within a minute: format, lint, types, imports, generated documentation,
# unit tests. Called by `npm run check` and .ci/run; stops at the first step that fails.
set -eu

root=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd -P)
cd "$root"
PATH=$root/node_modules/.bin:$PATH
# What Node has compiled once: a hundred test processes load the same files.
NODE_COMPILE_CACHE=$root/node_modules/.cache/postern
export PATH NODE_COMPILE_CACHE

step() {
  echo "postern: $1"
  shift
  "$@" || {
    echo "postern: failed: $*" >&2
    exit 1
  }
}

# tsc works on one core: beside the others, and first waited for.
tsc -p . &
types=$!
trap 'kill $types 2>/dev/null || :' EXIT
step 'format and lint' biome check --error-on-warnings .
step 'generated documentation' node scripts/generate-docs.ts --check
step 'dependencies and secrets' node scripts/audit.ts
step 'types' wait $types
trap - EXIT
# Many of them wait for a deadline or a child: more of them at once than there are cores.
step 'imports and unit tests' node --disable-warning=ExperimentalWarning --test --test-concurrency=5 \
  --test-timeout=60000 --test-reporter=dot test/architecture.test.ts 'test/unit/**/*.test.ts'
