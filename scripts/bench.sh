#!/bin/sh
# Runs every bench, one after the other.
set -eu
. "$(dirname "$0")/prepare.sh"
prepare >&2
pnpm --filter @lhspn/bench run all
