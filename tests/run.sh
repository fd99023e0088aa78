#!/bin/sh
# Runs the checks and tests in sections, each with a heading and the time it took: `run.sh all`, `quick` or `lint`.
# The first section that fails ends the run, and its output is repeated at the end.
#
# Everything is compiled in the release profile with the settings of tests/profile.toml, and all calls of cargo have the flags of tests/flags.sh: so
# each dependency is compiled once, for programs, tests, lints, documentation and fuzz targets. The engine and the configuration have few dependencies and are tested in the
# dev profile, with debug assertions and overflow checks.
#
# Two cores are kept busy: what is downloaded, and what is compiled with one core or at low priority, runs beside the other sections.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
flags=$(tests/flags.sh)

started=$(date +%s)
summary=
work=$(mktemp -d)
said=$work/said

# section TITLE COMMAND...: runs the command under the heading.
section() {
    title=$1
    shift
    printf '\n=== %s\n' "$title"
    section_started=$(date +%s)
    if shown "$@"; then result=ok; else result=FAILED; fi
    ended "$title" $result $(($(date +%s) - section_started))
}

# ended TITLE RESULT SECONDS: adds a line to the summary. A failure ends the run.
ended() {
    line=$(printf '%-60s %-6s %4d s' "$1" "$2" "$3")
    printf -- '--- %s\n' "$line"
    summary="$summary
    $line"
    [ "$2" = FAILED ] || return 0
    finish
    if [ -s "$said" ]; then
        # A log is read from its end.
        printf '\n=== The end of the failed section: %s\n' "$1"
        tail -n 100 "$said"
    fi
    exit 1
}

# beside NAME TITLE COMMAND...: starts the command in the background, at low priority and in a process group of its own.
beside() {
    name=$1
    printf '%s' "$2" >"$work/$name.title"
    shift 2
    setsid nice -n 15 tests/run.sh job "$work/$name" "$@" &
    echo $! >"$work/$name.pid"
    jobs="$jobs $!"
}

# job FILE COMMAND...: what runs in the background. FILE.said has its output, FILE.result its outcome.
job() {
    file=$1
    shift
    if "$@" >"$file.said" 2>&1 </dev/null; then result=ok; else result=FAILED; fi
    echo "$result $(($(date +%s) - started))" >"$file.result"
}

# joined NAME...: waits for commands in the background, and shows each as a section.
joined() {
    for name; do
        title=$(cat "$work/$name.title")
        printf '\n=== %s (beside the sections above)\n' "$title"
        wait "$(cat "$work/$name.pid")" || true
        cp "$work/$name.said" "$said"
        cat "$said"
        read -r result took <"$work/$name.result"
        ended "$title" "$result" "$took"
    done
}

# shown COMMAND...: runs it, and keeps its output in $said unless that is a terminal. Not through a pipe: a program that outlives its section, such as
# a database, would hold it open. `tail` ends with $following, after it has shown the rest.
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
    # SIGKILL: another signal could arrive before the process has become `sleep`.
    kill -KILL $following
    following=
    wait $follower || true
    return $outcome
}

following=
jobs=
# shellcheck disable=SC2154 # it is set here
trap 'outcome=$?; kill_jobs; rm -rf "$work"; exit $outcome' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Ends what still runs in the background.
kill_jobs() {
    [ -z "$following" ] || kill -KILL $following 2>/dev/null || true
    for pid in $jobs; do kill -TERM -- "-$pid" 2>/dev/null || true; done
}

finish() {
    printf '\n=== Summary%s\n    total %d s\n' "$summary" $(($(date +%s) - started))
}

# What `make lint` runs, without compiling the tests.
lint() {
    section "Formatting (cargo fmt)" cargo fmt --all --check
    section "C++ compiler" tests/tools/cxx.sh
    section "Lints (cargo clippy)" cargo clippy --locked --workspace --all-targets --features slotway/otlp -- -D warnings
    section "Architecture (crates, imports, names)" architecture
    section "The wire types for wasm32 (cargo check)" wire_types
    section "Documentation (cargo doc)" env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --locked --workspace --no-deps --document-private-items --features slotway/otlp
    section "Dependencies (cargo deny)" tests/tools/cargo-deny.sh
}

architecture() { cargo test --locked -p slotway-test-architecture; }

# The dashboard runs in the browser and uses them.
wire_types() { cargo check --locked -p slotway-api-types --target wasm32-unknown-unknown; }

# The lints of the packages that tests/flags.sh leaves out. The others are linted as they are compiled.
lints_of_the_rest() {
    cargo clippy --locked --all-targets -p slotway-empty-filter -p slotway-engine-probe -p slotway-config -p slotway-engine \
        -p slotway-test-architecture -p slotway-test-hooks -- -D warnings
}

# The documentation of each library, from what is compiled already.
# shellcheck disable=SC2086 # they are words
documentation() { RUSTDOC="$PWD/tests/tools/rustdoc.sh" cargo test $flags --doc; }

# What the tests need of other programs: from Debian's packages and PyPI.
fetch() {
    tests/tools/postgres.sh && tests/tools/shells.sh && envoy/fetch.sh && tests/tools/schemathesis.sh install &&
        tests/tools/field.sh
}

# The filter, and its variant for tests.
wasm() { filter/build.sh && filter/build.sh test; }

dev_tests() { cargo test --locked -p slotway-engine -p slotway-config -p slotway-test-hooks; }

# with_tests ARGUMENT...: compiles or runs the tests that the arguments select.
# shellcheck disable=SC2086 # they are words
with_tests() { cargo test $flags "$@"; }

quick() {
    section "PostgreSQL" tests/tools/postgres.sh
    section "The filter for Envoy and its variant for tests (wasm32)" wasm
    section "Engine and configuration: units, properties" dev_tests
    section "The tests (release)" with_tests --no-run --lib --test filter --test host --test sim --test bench
    section "Units; the filter in wasmtime" with_tests --lib --test filter --test host --test sim --test bench
}

# All tests, with the programs that they start, and their lints. Keeps the names of the compiled files for `run_test`.
compile() {
    # Two calls: beside `--tests`, which leaves these out, cargo ignores `--test NAME`.
    if { with_tests --no-run --tests && with_tests --no-run --test e2e --test chaos --bench peers; } >"$work/compiled" 2>&1; then
        outcome=0
    else
        outcome=1
    fi
    cat "$work/compiled"
    if grep -q '^warning: ' "$work/compiled"; then
        echo "warnings are denied: see above"
        outcome=1
    fi
    return $outcome
}

# run_test NAME ARGUMENT...: runs a compiled test without cargo, which would wait for a compilation in the background.
run_test() {
    program=$(sed -n "s|.*Executable.*(\(.*/$1-[0-9a-f]*\))\$|\1|p" "$work/compiled")
    [ -x "$program" ] || { echo "the compiled test $1 is not found"; return 1; }
    shift
    "$program" "$@"
}

simulator() { echo "sim $*" && "$CARGO_TARGET_DIR/release/sim" "$@"; }

# The lanes' protocol, exhaustively; 10,000 seeds; every seeded defect is caught.
simulate() {
    "$CARGO_TARGET_DIR/release/model" && simulator --seeds 10000 && simulator --mutants --seeds 5000
}

all() {
    section "Formatting (cargo fmt)" cargo fmt --all --check
    section "C++ compiler" tests/tools/cxx.sh
    beside fetch "PostgreSQL, shells, Envoy, schemathesis, servers" fetch
    beside wasm "The filter for Envoy and its variant for tests (wasm32)" wasm
    section "Architecture (crates, imports, names)" architecture
    beside deny "Dependencies (cargo deny)" tests/tools/cargo-deny.sh
    section "The tests and the programs (release), with lints" compile
    joined fetch wasm deny
    beside simulate "The lanes' protocol; 10,000 seeds; seeded defects" simulate
    section "Units, the filter in wasmtime, REST, commands, stores" with_tests --tests
    beside fuzz "The fuzz targets, instrumented" tests/fuzz/run.sh build
    section "The API as it is described (schemathesis)" tests/tools/schemathesis.sh
    # Each test runs its own Envoy, control plane and workers.
    section "End to end with Envoy" run_test e2e --test-threads "${E2E_THREADS:-2}"
    joined simulate fuzz
    beside dev "Engine and configuration: units, properties" dev_tests
    # Always the same events; `make chaos` has others.
    section "Chaos with Envoy" run_test chaos --seed 3 --seconds 30
    joined dev
    section "Lints of the packages that are tested elsewhere" lints_of_the_rest
    section "The wire types for wasm32 (cargo check)" wire_types
    section "Documentation" documentation
    section "Fuzzing, briefly" tests/fuzz/run.sh short
}

case ${1:-} in
all) all ;;
quick) quick ;;
lint) lint ;;
job)
    shift
    job "$@"
    exit
    ;;
*)
    echo "usage: $0 all|quick|lint" >&2
    exit 2
    ;;
esac
finish
