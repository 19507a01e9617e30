#!/bin/sh
# Gets what Postern needs onto this machine: Debian packages, for the tests also a private Postfix, and node_modules.
# `npm start` calls it with `start`, `npm test` and .ci/run with `test`, `npm run bench` with `bench` (then rspamd and
# SpamAssassin as well, private too). The machine's own Node may be old, so this is sh. Says what it does, does nothing
# twice, removes nothing, leaves no service running that did not run before.
# Exit 2: something is missing that it may not install; what to do is printed.
set -eu

root=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd -P)
cd "$root"
# An administrator's PATH may lack the folders where daemons live.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

purpose=${1:-start}
case $purpose in
start | test | bench) ;;
*)
  echo "usage: sh scripts/setup.sh start|test|bench" >&2
  exit 2
  ;;
esac

say() { echo "postern: $*"; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "$1" ]; }

# The packages whose program is not there. Whatever brought the program will do: a package, a build of one's own.
missing_packages() {
  has redis-server || echo redis-server
  has clamd || echo clamav-daemon
  has openssl || echo openssl
  [ "$purpose" != start ] || return 0
  has unbound || echo unbound
  [ "$purpose" = test ] || return 0
  has /usr/lib/dovecot/imap || echo dovecot-imapd
  has /usr/lib/dovecot/pop3 || echo dovecot-pop3d
  has /usr/lib/dovecot/lmtp || echo dovecot-lmtpd
  has swaks || echo swaks
  has strace || echo strace
}

install_packages() {
  # shellcheck disable=SC2046 # package names have no spaces
  set -- $(missing_packages)
  [ $# -gt 0 ] || return 0
  command="apt-get install --no-install-recommends --no-remove $*"
  if ! has apt-get; then
    say "needed and not installed, by their Debian names: $*. Install them, then run this again." >&2
    exit 2
  elif [ "$(id -u)" = 0 ]; then
    sh scripts/setup/debian.sh "$@"
  elif has sudo && sudo -n true 2>/dev/null; then
    sudo -n sh scripts/setup/debian.sh "$@"
  else
    say "needed and not installed: $*. As root, run this, then start again:" >&2
    echo "  $command" >&2
    exit 2
  fi
}

install_postfix() {
  [ "$purpose" != start ] || return 0
  [ -f .local/debian/library-path ] && return 0
  sh scripts/setup/unpack.sh .local/debian "npm run $purpose" postfix
}

install_peers() {
  [ "$purpose" = bench ] || return 0
  [ -f .local/peers/library-path ] && return 0
  sh scripts/setup/unpack.sh .local/peers "npm run bench" rspamd spamassassin spamd
}

install_modules() {
  if ! has node || ! has npm; then
    say "Node with npm is needed to install Postern's packages (Debian: apt-get install nodejs npm)" >&2
    exit 2
  fi
  node scripts/setup/installed.cjs && return 0
  say "installing the Node packages of package-lock.json, Node 24 among them (npm ci)..."
  # The output is shown only when it matters. The development packages are few, and `npm test` needs them.
  if ! npm ci --include=dev --no-audit --no-fund --loglevel=error >.local/npm-ci.log 2>&1; then
    cat .local/npm-ci.log >&2
    say "npm ci failed, see above" >&2
    exit 1
  fi
  # npm 12 and later, or a site's ignore-scripts, may skip the script of the package `node` that fetches the program.
  if [ ! -x node_modules/node/bin/node ]; then
    (cd node_modules/node && node installArchSpecificPackage.js) >>.local/npm-ci.log 2>&1 || cat .local/npm-ci.log >&2
  fi
  if ! node scripts/setup/installed.cjs; then
    say "npm ci ended well, but not everything is in node_modules; see .local/npm-ci.log" >&2
    exit 1
  fi
}

is_complete() {
  [ -z "$(missing_packages)" ] || return 1
  [ "$purpose" = start ] || [ -f .local/debian/library-path ] || return 1
  [ "$purpose" != bench ] || [ -f .local/peers/library-path ] || return 1
  has node && node scripts/setup/installed.cjs
}

is_complete && exit 0
mkdir -p .local
# Two set-ups at once (npm start and npm test) would install into each other.
if has flock; then
  exec 9>.local/setup.lock
  flock 9
fi
install_packages
install_postfix
install_peers
install_modules
say "set-up is complete"
