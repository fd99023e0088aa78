#!/bin/sh
# Installs the servers of other projects that end-to-end tests put behind Slotway: Python packages from PyPI into .tools/field, and cpp-httplib from
# Debian, with which it compiles tests/field/*.cpp.
set -eu
cd "$(dirname "$0")/../.."

requirements=tests/tools/field.txt
environment=.tools/field

fail() { echo "slotway: $*" >&2; exit 1; }

# Every package is pinned, so that each run is the same.
if ! cmp -s $requirements $environment/installed.txt; then
    echo "slotway: installing the servers for field tests (uvicorn, FastAPI, gunicorn, Flask) into $environment"
    rm -rf $environment
    # Debian's python3 has no venv of its own.
    python3 -m venv $environment 2>/dev/null || { tests/tools/apt-install.sh python3-venv && python3 -m venv $environment; } ||
        fail "python3 cannot make an environment: on Debian and Ubuntu, apt-get install python3-venv"
    $environment/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $requirements ||
        fail "the servers could not be installed: see the message above"
    cp $requirements $environment/installed.txt
fi

# Debian's library is compiled with these features, and its header needs theirs.
httplib="-DCPPHTTPLIB_OPENSSL_SUPPORT -DCPPHTTPLIB_ZLIB_SUPPORT -DCPPHTTPLIB_BROTLI_SUPPORT"
packages="libcpp-httplib-dev libssl-dev zlib1g-dev libbrotli-dev"
if [ ! -e /usr/include/httplib.h ] || [ ! -e /usr/include/brotli/decode.h ] || [ ! -e /usr/include/openssl/ssl.h ]; then
    # shellcheck disable=SC2086 # they are words
    tests/tools/apt-install.sh $packages || fail "cpp-httplib is missing: on Debian and Ubuntu, apt-get install $packages"
fi
for source in tests/field/*.cpp; do
    program=$environment/bin/$(basename "$source" .cpp)
    [ "$program" -nt "$source" ] ||
        # shellcheck disable=SC2086 # they are words
        c++ -std=c++17 -O1 -pthread $httplib -o "$program" "$source" -lcpp-httplib || fail "$source could not be compiled"
done
