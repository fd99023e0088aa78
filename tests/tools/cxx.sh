#!/bin/sh
# Installs a C++ compiler, if none is found: libFuzzer is C++.
set -eu
cd "$(dirname "$0")/../.."
command -v c++ >/dev/null 2>&1 || tests/tools/apt-install.sh g++ || {
    echo "slotway: c++ is missing; on Debian and Ubuntu: apt-get install g++" >&2
    exit 1
}
