#!/bin/sh
# Unpacks Debian's Postfix, with the libraries this machine lacks, into a folder of its own: the tests need a real one,
# and installing the package would replace the host's mail server. Called by ../setup.sh; needs no root.
# Its programs need LD_LIBRARY_PATH: the folders in the file `library-path` beside them (test/support/postfix.ts).
set -eu

target=$1
say() { echo "postern: $*"; }
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
  say "no apt-get here: the tests that need Postfix will be skipped" >&2
  exit 0
fi

work=$target.new
rm -rf "$work"
mkdir -p "$work/debs/partial" "$work/root"
debs=$(CDPATH='' cd -- "$work/debs" && pwd -P)
log=$work/log
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Only downloads, so neither root nor the locks are needed, and nothing is removed whatever it conflicts with.
download() {
  apt-get install -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User= \
    -o Dir::Cache::archives="$debs" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= postfix >"$log" 2>&1 &&
    { ls "$debs"/postfix_*.deb >/dev/null 2>&1 || (cd "$debs" && apt-get download -o APT::Sandbox::User= postfix) >>"$log" 2>&1; }
}

say "unpacking Postfix into $target for the tests (not installed, not started)..."
download || {
  # The lists may be too old or not read yet; only root can read them anew.
  update=$(sudo -n true 2>/dev/null && echo sudo -n || true)
  $update apt-get update >"$log" 2>&1 || true
  download
} || {
  tail -n 20 "$log" >&2
  say "could not download Debian's postfix" >&2
  exit 1
}
for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done

# The folders with shared libraries, for LD_LIBRARY_PATH: Postfix's own RUNPATH names /usr/lib/postfix.
(cd "$work/root" && find . -name '*.so*' ! -type d -exec dirname {} \; | sort -u | sed 's|^\./||') >"$work/root/library-path"
rm -rf "$target"
mv "$work/root" "$target"
