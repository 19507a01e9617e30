#!/bin/sh
# Installs Debian packages without starting their services and without removing anything. Called by ../setup.sh as root
# with the names. Exit 2: apt would have to remove something; nothing was changed.
set -eu

DEBIAN_FRONTEND=noninteractive
NEEDRESTART_SUSPEND=1 # Ubuntu: no restarts of other services on our account.
export DEBIAN_FRONTEND NEEDRESTART_SUSPEND

say() { echo "postern: $*"; }
log=$(mktemp)
policy=${DPKG_ROOT:-}/usr/sbin/policy-rc.d
mark='# For the time of an installation by Postern (scripts/setup/debian.sh)'
placed=no

tidy() {
  rm -f "$log"
  if [ "$placed" = yes ]; then rm -f "$policy"; fi
}
trap tidy EXIT
trap 'exit 1' HUP INT TERM

# Maintainer scripts ask this file whether they may start a service (invoke-rc.d(8)); 101 is no. A site's own stays.
forbid_starts() {
  if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then return 0; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
  placed=yes
}

apt() {
  apt-get -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1
}

update() {
  say "reading the package lists (apt-get update)..."
  apt update || fail "apt-get update failed"
}

fail() {
  tail -n 20 "$log" >&2
  say "$1" >&2
  say "or install by hand, then start again: apt-get install --no-install-recommends --no-remove $names" >&2
  exit 1
}

names=$*
# A machine whose lists were never read knows no package.
apt -s install --no-install-recommends "$@" || {
  update
  apt -s install --no-install-recommends "$@" || fail "apt-get cannot install $names"
}
removed=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' "$log" | tr '\n' ' ')
if [ -n "$removed" ]; then
  say "installing $names would remove: $removed" >&2
  say "nothing was changed. If you want that, run: apt-get install --no-install-recommends $names" >&2
  exit 2
fi

say "installing $names (apt-get); no service will be started..."
forbid_starts
apt install --no-install-recommends --no-remove "$@" || {
  # Lists that are too old name files that are gone.
  update
  apt install --no-install-recommends --no-remove "$@" || fail "apt-get could not install $names"
}
