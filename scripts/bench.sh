#!/bin/sh
# Runs every bench, one after the other.
set -eu
. "$(dirname "$0")/prepare.sh"
prepare >&2
for bench in provider-api million-provider goaways faults gateway million registry pushes; do
  pnpm --filter @lhspn/bench run "$bench"
done
