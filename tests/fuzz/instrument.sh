#!/bin/sh
# rustc for the fuzz targets (RUSTC_WRAPPER): instruments what is fuzzed, that is, what has overflow checks in an optimised
# build (see Cargo.toml; debug assertions bring them too), and nothing else, so that libFuzzer looks for new ways through our code and the parser in
# front of it, not through tokio or a compiler. Stable rustc has all of it. cargo does not know what a wrapper does: after
# a change here, `cargo clean -p` the packages that Cargo.toml names.
compiler=$1
shift
case " $* " in
# A build script runs on its own, without libFuzzer.
*" --crate-name build_script_build "*) exec "$compiler" "$@" ;;
*" opt-level="*" debug-assertions=on "* | *" opt-level="*" overflow-checks=on "*)
    exec "$compiler" "$@" --cfg fuzzing -Ccodegen-units=1 \
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$compiler" "$@" ;;
esac
