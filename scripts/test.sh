#!/bin/sh
# Runs the tests: all of them, or the files and patterns given. Called by `npm test [-- FILE...]`; ends in the counts.
set -eu

root=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd -P)
cd "$root"
PATH=$root/node_modules/.bin:$PATH
# What Node has compiled once: a hundred test processes load the same files.
NODE_COMPILE_CACHE=$root/node_modules/.cache/postern
export PATH NODE_COMPILE_CACHE

[ $# -gt 0 ] || set -- 'test/**/*.test.ts'
# Two files at a time: many of them start daemons. A test that hangs fails after ten minutes.
exec node --disable-warning=ExperimentalWarning --test --test-concurrency=2 --test-timeout=600000 \
  --test-reporter=spec "$@"
