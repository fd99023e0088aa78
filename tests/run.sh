#!/bin/sh
# Runs the checks and tests in sections, each with a heading and the time it took: `run.sh all`, `quick` or `lint`.
# The first section that fails ends the run.
#
# Everything is compiled in the release profile, so that the large dependencies (wasmtime, tonic, SQLite) are compiled
# once, for the binaries and for the tests. The engine and the configuration have few and are tested in the dev
# profile: with debug assertions and overflow checks.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

started=$(date +%s)
summary=

# section TITLE COMMAND...: runs the command under the heading.
section() {
    title=$1
    shift
    printf '\n=== %s\n' "$title"
    section_started=$(date +%s)
    if "$@"; then result=ok; else result=FAILED; fi
    took=$(($(date +%s) - section_started))
    line=$(printf '%-52s %-6s %4d s' "$title" $result $took)
    printf -- '--- %s\n' "$line"
    summary="$summary
    $line"
    if [ $result = FAILED ]; then
        finish
        exit 1
    fi
}

finish() {
    printf '\n=== Summary%s\n    total %d s\n' "$summary" $(($(date +%s) - started))
}

lint() {
    section "Formatting (cargo fmt)" cargo fmt --all --check
    section "Lints (cargo clippy)" cargo clippy --locked --release --workspace --all-targets -- -D warnings
    section "Dependencies (cargo deny)" tests/tools/cargo-deny.sh
}

filter_and_units() {
    section "PostgreSQL" tests/tools/postgres.sh
    section "The filter for Envoy (wasm32)" filter/build.sh
    section "The filter that dies where a test wants it to" filter/build.sh chaos
    section "Engine and configuration: units, properties" \
        cargo test --locked -p slotway-engine -p slotway-config
    section "Filter, control plane, worker: units" \
        cargo test --locked --release -p slotway-filter -p slotway -p slotway-worker
    section "Traces for a collector (feature otlp)" \
        cargo test --locked --release -p slotway --features otlp --test otlp
    section "The filter in wasmtime" cargo test --locked --release -p slotway-tests
}

simulate() {
    section "The simulator and the model (release)" cargo build --locked --release -p slotway-tests --bins
    section "The lanes' protocol, exhaustively" "$CARGO_TARGET_DIR/release/model"
    section "Simulation: 10,000 seeds" target_sim --seeds 10000
    section "The filter with seeded defects (wasm32)" filter/build.sh mutants
    section "Simulation: every seeded defect is caught" target_sim --mutants --seeds 5000
}

target_sim() { "$CARGO_TARGET_DIR/release/sim" "$@"; }

end_to_end() {
    section "Envoy" envoy/fetch.sh
    section "The binaries (release)" cargo build --locked --release -p slotway -p slotway-worker
    section "The API as it is described (schemathesis)" tests/tools/schemathesis.sh
    # Each test runs its own Envoy, control plane and workers.
    section "End to end with Envoy" \
        cargo test --locked --release -p slotway-tests --test e2e -- --test-threads "${E2E_THREADS:-2}"
    # Always the same events; `make chaos` has others.
    section "Chaos with Envoy" \
        cargo test --locked --release -p slotway-tests --test chaos -- --seed 3 --seconds 30
}

case ${1:-} in
all)
    lint
    filter_and_units
    simulate
    end_to_end
    section "Fuzzing, briefly" tests/fuzz/run.sh short
    ;;
quick) filter_and_units ;;
lint) lint ;;
*)
    echo "usage: $0 all|quick|lint" >&2
    exit 2
    ;;
esac
finish
