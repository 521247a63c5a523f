#!/bin/sh
# Everything that must hold before a change lands. Needs Node 20 and npm; as root it installs what is missing.
set -eu
. "$(dirname "$0")/prepare.sh"

missing=""
for pair in mariadb-server:/usr/sbin/mariadbd redis-server:/usr/bin/redis-server openssl:/usr/bin/openssl nghttp2-server:/usr/sbin/nghttpd; do # Debian package : a file that it brings
  [ -x "${pair#*:}" ] || missing="$missing ${pair%%:*}"
done
if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing; install them as root: apt-get install$missing" >&2
    exit 1
  fi
  echo "Installing for the tests:$missing"
  apt-get update -q >/dev/null
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
fi

prepare
pnpm run check
pnpm run package-check
pnpm exec vitest run "$@" # last, so that its summary closes the output
