#!/bin/sh
# Shows the main job on embedded defaults: installs, builds, runs `lhspn demo`.
set -eu
. "$(dirname "$0")/prepare.sh"
prepare >&2
exec node apps/cli/dist/main.js demo "$@"
