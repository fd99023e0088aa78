#!/bin/sh
# Ends with one line for each program that is missing, and how to get it: `need.sh cargo cc`.
missing=0
for program; do
    command -v "$program" >/dev/null 2>&1 && continue
    case $program in
    cargo) how="install Rust 1.95 or later: https://rustup.rs" ;;
    cc) how="on Debian and Ubuntu: apt-get install gcc libc6-dev" ;;
    *) how="on Debian and Ubuntu: apt-get install $program" ;;
    esac
    echo "slotway: $program is missing; $how" >&2
    missing=1
done
exit $missing
