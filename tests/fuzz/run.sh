#!/bin/sh
# Fuzzes what reads bytes from outside, with libFuzzer:
#
#   run.sh short           each target for a fixed number of runs, the same each time; at most half a minute each
#   run.sh long MINUTES    each target for MINUTES; new inputs stay in target/fuzz/corpus
#   run.sh TARGET FILE     one input again
#   run.sh build           builds the targets only
#
# TARGETS="yaml rest_bodies" selects targets. Plain cargo and stable Rust: see instrument.sh. A failing input is kept in target/fuzz/artifacts, and
# the command to run it again is printed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/fuzz
# The tests' directory, so that their dependencies are not compiled again.
compiled=${CARGO_TARGET_DIR:-$root/target}
work=$compiled/fuzz
targets=${TARGETS:-filter_configuration shared_state yaml rest_bodies header_values}

fail() { echo "slotway: $*" >&2; exit 1; }

# Stores of the targets; in memory, where the system has such a place.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
scratch=$(mktemp -d "$memory/slotway-fuzz-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# instrument PACKAGE SETTING...: prints flags of cargo for a package.
instrument() {
    package=$1
    shift
    for setting; do printf ' --config profile.release.package.%s.%s' "$package" "$setting"; done
}

# Prints the flags that select what is instrumented: instrument.sh does so with packages that have overflow checks.
instrumented() {
    # Its debug assertions are about sound states; here it meets others.
    instrument slotway-engine overflow-checks=true
    for package in slotway-config slotway-fuzz serde-saphyr granit-parser; do
        instrument $package debug-assertions=true overflow-checks=true opt-level=3
    done
    for manifest in "$root"/control-plane/*/Cargo.toml; do
        [ -f "$manifest" ] || continue
        package=$(sed -n '/^\[package\]/,/^\[/s/^name = "\(.*\)"/\1/p' "$manifest")
        instrument "$package" debug-assertions=true overflow-checks=true opt-level=1
    done
}

build() {
    "$root/tests/tools/cxx.sh"
    # Settings for the machine's own toolchain are for its programs.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    binaries=
    for target in $targets; do binaries="$binaries --bin fuzz_$target"; done
    # `cargo test`, since `cargo build` resolves other features: without those of development dependencies.
    # shellcheck disable=SC2046,SC2086 # they are words
    (cd "$root" && RUSTC_WRAPPER=$here/instrument.sh CARGO_TARGET_DIR=$compiled \
        cargo test $(tests/flags.sh) $(instrumented) --no-run $binaries) >"$scratch/build" 2>&1 ||
        { cat "$scratch/build" >&2 && fail "the fuzz targets cannot be built: see above"; }
    cat "$scratch/build"
    mkdir -p "$work"
    sed -n 's|.*Executable.*(\(.*\))$|\1|p' "$scratch/build" >"$work/programs"
}

# Prints the path of a target's program.
program() {
    (cd "$root" && realpath "$(grep "/fuzz_$1-[0-9a-f]*\$" "$work/programs")")
}

# Bounds on one input: its size in bytes, its time in seconds, and the memory of all. YAML may say the same in fewer bytes
# than its meaning takes, and a conversation takes more.
size_of() {
    case $1 in
    shared_state | rest_bodies) echo 4096 ;;
    *) echo 2048 ;;
    esac
}

# How many runs take 10 to 20 seconds on a slow machine; each is cut off after 25 s.
runs_of() {
    case $1 in
    filter_configuration) echo 300000 ;;
    shared_state) echo 30000 ;;
    yaml) echo 200000 ;;
    rest_bodies) echo 8000 ;;
    header_values) echo 5000 ;;
    esac
}

# fuzz TARGET ARGUMENT...
fuzz() {
    target=$1
    shift
    binary=$(program "$target")
    artifacts=$work/artifacts/$target
    mkdir -p "$artifacts"
    if TMPDIR=$scratch "$binary" -timeout=30 -rss_limit_mb=2048 -max_len="$(size_of "$target")" \
        -dict="$here/dictionaries/$target.dict" -artifact_prefix="$artifacts/" -print_final_stats=1 \
        "$@" "$here/corpus/$target" >"$scratch/$target.log" 2>&1; then
        awk -v target="$target" '
            / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") edges = $(i + 1); if ($i == "ft:") ways = $(i + 1) } }
            /^stat::number_of_executed_units:/ { runs = $2 }
            /^stat::average_exec_per_sec:/ { speed = $2 }
            /^stat::peak_rss_mb:/ { memory = $2 }
            END { printf "%-22s %10d runs  %7d a second  %6d edges  %6d features  %4d MB\n",
                      target, runs, speed, edges, ways, memory }' "$scratch/$target.log"
        return
    fi
    tail -n 60 "$scratch/$target.log" >&2
    input=$(sed -n 's/.*Test unit written to //p' "$scratch/$target.log" | tail -n 1)
    echo >&2
    echo "slotway: fuzzing found a defect: target $target, input ${input:-(none was written)}" >&2
    echo "slotway: to see it again: tests/fuzz/run.sh $target ${input:-FILE}" >&2
    exit 1
}

# short TARGET...: one after the other.
short() {
    for target; do
        # Into an empty corpus and from a fixed seed: a run depends on the code alone.
        mkdir "$scratch/$target"
        fuzz "$target" -seed=1 -runs="$(runs_of "$target")" -max_total_time=25 "$scratch/$target"
    done
}

case ${1:-} in
build) build ;;
short)
    build
    # Two at a time: a target has one thread.
    first= second=
    for target in $targets; do
        if [ ${#first} -le ${#second} ]; then first="$first $target"; else second="$second $target"; fi
    done
    # shellcheck disable=SC2086 # they are words
    short $first &
    other=$!
    outcome=0
    # shellcheck disable=SC2086
    (short $second) || outcome=1
    wait $other || outcome=1
    exit $outcome
    ;;
long)
    minutes=${2:?how many minutes for each target}
    build
    for target in $targets; do
        mkdir -p "$work/corpus/$target"
        echo "slotway: fuzzing $target until $(date -d "+$minutes min" +%H:%M)"
        fuzz "$target" -max_total_time=$((minutes * 60)) "$work/corpus/$target"
    done
    ;;
filter_configuration | shared_state | yaml | rest_bodies | header_values)
    input=$(realpath "${2:?which input}")
    build
    TMPDIR=$scratch "$(program "$1")" -timeout=30 -rss_limit_mb=2048 "$input"
    ;;
*)
    echo "usage: $0 short | long MINUTES | TARGET FILE | build" >&2
    exit 2
    ;;
esac
