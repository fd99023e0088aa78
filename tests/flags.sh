#!/bin/sh
# Prints the flags with which cargo compiles the tests, for `cargo test $(tests/flags.sh) --test rest`, in the root of the repository.
#
# Each call of cargo has the same packages: which features a dependency has follows from them, and other features are another compilation. Traces
# (the feature `otlp`) do nothing without a collector, so the tested programs have them. Left out are packages without tests, and those whose tests run
# in the dev profile, with debug assertions and overflow checks.
#
# `flags.sh profile` prints the profile only.
set -eu
cd "$(dirname "$0")/.."
printf '%s' "--locked --release --config tests/profile.toml"
# Not optimised: it would take longer to compile than it saves when it runs.
for manifest in control-plane/*/Cargo.toml; do
    [ -f "$manifest" ] || continue
    package=$(sed -n '/^\[package\]/,/^\[/s/^name = "\(.*\)"/\1/p' "$manifest")
    printf ' --config profile.release.package.%s.opt-level=0' "$package"
done
[ "${1:-}" != profile ] || exit 0
printf '%s' " --features slotway/otlp --workspace"
for package in empty-filter engine-probe config engine test-architecture test-hooks; do
    printf ' --exclude slotway-%s' "$package"
done
echo
