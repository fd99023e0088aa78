#!/bin/sh
# rustdoc (RUSTDOC) for `cargo test --doc`: makes the documentation of a library with warnings denied, where cargo asks for its documentation tests.
# `cargo doc` would check each dependency once more; here the compiled ones are used.
set -eu
skip=
set -- "$@" --
while [ "$1" != -- ]; do
    argument=$1
    shift
    if [ -n "$skip" ]; then
        skip=
        continue
    fi
    case $argument in
    --test | --no-run) ;;
    --test-run-directory | --test-builder | --test-runtool | --test-runtool-arg | --test-args) skip=1 ;;
    *) set -- "$@" "$argument" ;;
    esac
done
shift
exec rustdoc "$@" --document-private-items -D warnings -A rustdoc::private_intra_doc_links \
    --output "${CARGO_TARGET_DIR:-target}/doc-of-tests"
