#!/bin/sh
# Checks the dependencies against deny.toml, with a pinned cargo-deny in .tools/bin (compiled once, about a minute, and not optimised: it runs for seconds).
# Not the advisories: they need a network that CI lacks.
set -eu
cd "$(dirname "$0")/../.."

version=0.20.2
deny=.tools/bin/cargo-deny
if [ "$($deny --version 2>/dev/null)" != "cargo-deny $version" ]; then
    echo "slotway: compiling cargo-deny $version into .tools"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug --quiet --locked --version "$version" --no-default-features --root .tools \
        --target-dir target/cargo-deny cargo-deny
    rm -rf target/cargo-deny
fi
exec $deny --locked check --hide-inclusion-graph bans licenses sources
