# Sourced by the other scripts: installs the dependencies and builds the packages, once at a time on one checkout.
cd "$(dirname "$0")/.."
export CI="${CI:-true}" TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
pnpm() { npx -y pnpm@12.4.2 "$@"; }

prepare() {
  # A demo and a test run may start together: whoever holds the lock installs, the other finds everything in place.
  (
    flock 9
    pnpm install --frozen-lockfile "$@"
    pnpm run build
  ) 9>.prepare.lock
}
