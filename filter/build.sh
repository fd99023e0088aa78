#!/bin/sh
# usage: filter/build.sh [test]
#        filter/build.sh --package PACKAGE FILE
#
# Builds the filter that Envoy runs, target/slotway_filter.wasm: release, without debug sections. The file is replaced
# only when its content changes.
#
# `test` builds the variant for tests, target/slotway_filter_test.wasm, beside it: with seeded defects, crashes on demand,
# debug assertions and overflow checks. The simulator and the chaos tests run it.
#
# The second form builds another package of the workspace in the same way, into FILE, for a measurement.
#
# rustc needs a standard library for wasm32-unknown-unknown. In this order: the toolchain has it; rustup adds it;
# Debian's packages contain its source, from which cargo builds it (a minute, the first time).
# WASM_TOOLCHAIN=rustup or =debian accepts only that way.
set -eu
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
package=slotway-filter
variant=${1:-}
case $variant in
"")
    filter=target/slotway_filter.wasm features=
    rustup_dir=target debian_dir=target/wasm-debian
    ;;
test)
    filter=target/slotway_filter_test.wasm features="--features test-hooks"
    # The variant has its own directories: in a shared one each build would invalidate the other.
    rustup_dir=target/wasm-test debian_dir=target/wasm-debian-test
    export CARGO_PROFILE_WASM_DEBUG_ASSERTIONS=true CARGO_PROFILE_WASM_OVERFLOW_CHECKS=true
    ;;
--package)
    package=$2 filter=$3 features= variant=
    rustup_dir=target debian_dir=target/wasm-debian
    ;;
*)
    echo "usage: $0 [test], or $0 --package PACKAGE FILE" >&2
    exit 2
    ;;
esac
module=$(echo "$package" | tr - _).wasm
what="the filter for Envoy"
[ "$package" = slotway-filter ] || what=$package
debian_packages="rustc-web cargo-web rust-web-src lld"
way=${WASM_TOOLCHAIN:-auto}
# Settings for the machine's own toolchain, such as a linker, would break a build for wasm32.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
# The module names no folder of the machine that built it.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/slotway"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS

say() { echo "slotway: $*"; }
fail() { echo "slotway: $*" >&2; exit 1; }

toolchain_has_target() {
    command -v rustc >/dev/null 2>&1 || return 1
    ls "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1
}

rustup_adds_target() {
    command -v rustup >/dev/null 2>&1 || return 1
    say "adding the target $target with rustup"
    rustup target add "$target" && toolchain_has_target
}

debian_has_source() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && command -v wasm-ld >/dev/null 2>&1 &&
        [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]
}

debian_installs_source() {
    # shellcheck disable=SC2086 # the packages are words
    tests/tools/apt-install.sh $debian_packages && debian_has_source
}

build_with_rustup() {
    # shellcheck disable=SC2086 # the features are words
    CARGO_TARGET_DIR=$rustup_dir cargo build --locked -p "$package" --lib --profile wasm --target "$target" $features
    built=$rustup_dir/$target/wasm/$module
}

# Its own directory: in a shared one each change of the compiler would rebuild everything.
build_with_debian() {
    # shellcheck disable=SC2086 # the features are words
    env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$debian_dir" \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld \
        /usr/bin/cargo build --locked -p "$package" --lib --profile wasm --target "$target" $features \
        -Zbuild-std=std,panic_abort
    built=$debian_dir/$target/wasm/$module
}

case $way in
auto)
    if toolchain_has_target || rustup_adds_target; then way=rustup; else way=debian; fi
    ;;
rustup | debian) ;;
*) fail "WASM_TOOLCHAIN=$way is unknown: use auto, rustup or debian" ;;
esac

if [ "$way" = rustup ]; then
    toolchain_has_target || rustup_adds_target ||
        fail "rustup cannot add $target: see its message above, or try WASM_TOOLCHAIN=debian"
    say "building $what${variant:+, the variant for tests}"
    build_with_rustup
else
    debian_has_source || debian_installs_source ||
        fail "no compiler for $target: 'rustup target add $target' adds one, or, on Debian, 'apt-get install $debian_packages'"
    say "building $what${variant:+, the variant for tests,} with Debian's $(/usr/bin/rustc --version | cut -d' ' -f1-2)"
    build_with_debian
fi

if ! cmp -s "$built" "$filter"; then
    # Renamed into place: a running Envoy keeps the file that it has open.
    cp "$built" "$filter.new"
    mv "$filter.new" "$filter"
fi
# It was built just now, even if nothing has changed: the tests refuse a module that is older than the sources.
touch "$filter"
say "$filter is ready ($(wc -c <"$filter") bytes)"
