#!/bin/sh
# Unpacks Debian packages, with the libraries this machine lacks, into a folder of its own: nothing is installed, no service
# of the host is replaced or started. Called by ../setup.sh as `unpack.sh FOLDER PURPOSE PACKAGE...`; needs no root.
# The programs need LD_LIBRARY_PATH: the folders in the file `library-path` beside them (test/support/postfix.ts, bench/peers).
set -eu

target=$1
purpose=$2
shift 2
say() { echo "postern: $*"; }
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
  say "no apt-get here: $purpose will do without $*" >&2
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
    -o Dir::Cache::archives="$debs" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@" >"$log" 2>&1 || return 1
  # What is installed already is not downloaded for that.
  for name in "$@"; do
    ls "$debs/${name}"_*.deb >/dev/null 2>&1 && continue
    (cd "$debs" && apt-get download -o APT::Sandbox::User= "$name") >>"$log" 2>&1 || return 1
  done
}

say "unpacking $* into $target for $purpose (not installed, not started)..."
download "$@" || {
  # The lists may be too old or not read yet; only root can read them anew.
  update=$(sudo -n true 2>/dev/null && echo sudo -n || true)
  $update apt-get update >"$log" 2>&1 || true
  download "$@"
} || {
  tail -n 20 "$log" >&2
  say "could not download $*" >&2
  exit 1
}
for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done

# The folders with shared libraries, for LD_LIBRARY_PATH: the RUNPATH of programs names folders of an installed package.
# Perl finds the libraries of its modules (auto) itself.
(cd "$work/root" && find . -name '*.so*' ! -type d -exec dirname {} \; | grep -v /auto/ | sort -u | sed 's|^\./||') >"$work/root/library-path"
rm -rf "$target"
mv "$work/root" "$target"
