#!/bin/sh
# Installs the shells whose completion is tested: bash, zsh and fish.
set -eu
cd "$(dirname "$0")/../.."
missing=
for shell in bash zsh fish; do
    command -v $shell >/dev/null 2>&1 || missing="$missing $shell"
done
[ -n "$missing" ] || exit 0
# shellcheck disable=SC2086 # they are words
tests/tools/apt-install.sh $missing || {
    echo "slotway: the tests of completion need$missing: install them and run it again (on Debian and Ubuntu: apt-get install$missing)" >&2
    exit 1
}
