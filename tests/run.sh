#!/bin/sh
# Runs the checks and tests in sections, each with a heading and the time it took: `run.sh all`, `quick` or `lint`.
# The first section that fails ends the run.
#
# Everything is compiled in the release profile, so that the large dependencies (wasmtime, tonic, SQLite) are compiled
# once, for the binaries and for the tests. For the same reason each call of cargo for it names the same packages: which
# features their dependencies have follows from that, and other features are another compilation. The binaries so are those
# that come with the tests. The engine and the configuration have few dependencies and are tested in the dev profile: with
# debug assertions and overflow checks.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# The control plane and its tests are not optimised: they would take longer to compile than they run. Traces (the feature `otlp`)
# do nothing where no collector is named, and so are in the binaries that are tested end to end, too.
release="--locked --release --config profile.release.package.slotway.opt-level=0 --features slotway/otlp"
release="$release -p slotway-filter -p slotway -p slotway-store -p slotway-runtime -p slotway-identity -p slotway-worker -p slotway-tests"

started=$(date +%s)
summary=

# section TITLE COMMAND...: runs the command under the heading.
section() {
    title=$1
    shift
    printf '\n=== %s\n' "$title"
    section_started=$(date +%s)
    if shown "$@"; then result=ok; else result=FAILED; fi
    took=$(($(date +%s) - section_started))
    line=$(printf '%-52s %-6s %4d s' "$title" $result $took)
    printf -- '--- %s\n' "$line"
    summary="$summary
    $line"
    if [ $result = FAILED ]; then
        finish
        if [ -s "$said" ]; then
            # Whoever reads the log of a machine sees its end first.
            printf '\n=== The end of what failed: %s\n' "$title"
            tail -n 100 "$said"
        fi
        exit 1
    fi
}

# shown COMMAND...: runs it, and keeps what it says in $said unless that is seen on a terminal. Not through a pipe: a program that
# outlives its section, such as a database, would hold it open. `tail` ends with $following, having shown the rest.
shown() {
    if [ -t 1 ]; then
        "$@"
        return
    fi
    : >"$said"
    sleep 86400 &
    following=$!
    tail -n +1 -s 0.2 -f --pid=$following "$said" &
    follower=$!
    if "$@" >"$said" 2>&1; then outcome=0; else outcome=$?; fi
    # Not a signal that it could take before it is `sleep`, and lose then.
    kill -KILL $following
    following=
    wait $follower || true
    return $outcome
}

following=
said=$(mktemp)
# shellcheck disable=SC2154 # it is set here
trap 'outcome=$?; rm -f "$said"; [ -z "$following" ] || kill -KILL $following 2>/dev/null || true; exit $outcome' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

finish() {
    printf '\n=== Summary%s\n    total %d s\n' "$summary" $(($(date +%s) - started))
}

lint() {
    section "Formatting (cargo fmt)" cargo fmt --all --check
    section "Lints (cargo clippy)" cargo clippy --locked --release --workspace --all-targets --features slotway/otlp -- -D warnings
    section "Dependencies (cargo deny)" tests/tools/cargo-deny.sh
    section "Architecture (crates, imports, names)" cargo test --locked -p slotway-test-architecture
}

filter_and_units() {
    section "PostgreSQL" tests/tools/postgres.sh
    section "The filter for Envoy (wasm32)" filter/build.sh
    section "The filter, the variant for tests (wasm32)" filter/build.sh test
    section "Engine and configuration: units, properties" \
        cargo test --locked -p slotway-engine -p slotway-config -p slotway-policy -p slotway-test-hooks
    # shellcheck disable=SC2086 # they are words
    section "The tests and the binaries (release)" cargo test $release --no-run
    # shellcheck disable=SC2086
    section "Filter, control plane, worker: units; the filter in wasmtime" \
        cargo test $release --lib --test filter --test host --test sim --test bench
}

control_plane() {
    section "Shells (bash, zsh, fish)" tests/tools/shells.sh
    # shellcheck disable=SC2086
    section "The control plane: REST, commands, stores, traces" \
        cargo test $release --test rest --test cli --test laws --test otlp --test over_http
}

simulate() {
    section "The lanes' protocol, exhaustively" "$CARGO_TARGET_DIR/release/model"
    section "Simulation: 10,000 seeds" target_sim --seeds 10000
    section "Simulation: every seeded defect is caught" target_sim --mutants --seeds 5000
}

target_sim() { "$CARGO_TARGET_DIR/release/sim" "$@"; }

end_to_end() {
    section "Envoy" envoy/fetch.sh
    section "The API as it is described (schemathesis)" tests/tools/schemathesis.sh
    # Each test runs its own Envoy, control plane and workers.
    section "End to end with Envoy" \
        cargo test $release --test e2e -- --test-threads "${E2E_THREADS:-2}"
    # Always the same events; `make chaos` has others.
    section "Chaos with Envoy" \
        cargo test $release --test chaos -- --seed 3 --seconds 30
}

case ${1:-} in
all)
    lint
    filter_and_units
    control_plane
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
