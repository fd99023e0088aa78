#!/bin/sh
# Prints the flags with which cargo compiles the tests, for `cargo test $(tests/flags.sh) --test rest`, in the root of the repository.
#
# Each call of cargo has the same packages: which features a dependency has follows from them, and other features are another compilation. Traces
# (the feature `otlp`) do nothing without a collector, so the tested programs have them. Left out are packages without tests, and those whose tests run
# in the dev profile, with debug assertions and overflow checks.
#
# The compiler is clippy's: it gives the same code as rustc, and the lints' warnings with it. `cargo clippy` would check each dependency once more.
set -eu
printf '%s' '--locked --release --config tests/profile.toml --config build.rustc-workspace-wrapper="clippy-driver"'
printf '%s' " --features slotway/otlp --workspace"
for package in empty-filter engine-probe config engine test-architecture test-hooks; do
    printf ' --exclude slotway-%s' "$package"
done
echo
