#!/bin/sh
# Checks every publishable package as its users get it: metadata, exports and types.
set -eu
cd "$(dirname "$0")/.."
for package in packages/* apps/*; do
  [ -f "$package/package.json" ] || continue
  (
    cd "$package"
    echo "$package"
    publint --strict .
    grep -q '"exports"' package.json || exit 0 # a program has no types to check
    attw --pack . --profile esm-only --quiet
  )
done
