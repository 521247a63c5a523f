#!/bin/sh
# Runs the tests on the other supported versions of Node, with the same installed dependencies.
set -eu
. "$(dirname "$0")/prepare.sh"
prepare
for version in 22.23.3 24.21.0; do
  home=".nodes/$version"
  [ -x "$home/node_modules/node/bin/node" ] || npm install --no-save --no-audit --no-fund --prefix "$home" "node@$version"
  echo "Node $version"
  PATH="$PWD/$home/node_modules/node/bin:$PATH" node node_modules/vitest/vitest.mjs run "$@"
done
