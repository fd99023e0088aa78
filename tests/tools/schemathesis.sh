#!/bin/sh
# Checks the API's description against the server: schemathesis generates valid and invalid requests from /openapi.json, sends them to a `slotway serve`
# of its own, and compares each answer with the description. `schemathesis.sh install` only installs it.
#
# Arguments go to schemathesis: `schemathesis.sh --include-path-regex '^/api/v1/workers'`, `--exclude-path /api/v1/x`.
# SLOTWAY=target/debug/slotway checks another program, EXAMPLES=500 sends more requests, SEED=n sends others.
set -eu
cd "$(dirname "$0")/../.."

requirements=tests/tools/schemathesis.txt
environment=.tools/schemathesis
tools=$PWD/$environment/bin
program=${SLOTWAY:-${CARGO_TARGET_DIR:-target}/release/slotway}
examples=${EXAMPLES:-100}

fail() { echo "slotway: $*" >&2; exit 1; }

# Every package is pinned, so that each run is the same.
if ! cmp -s $requirements $environment/installed.txt; then
    echo "slotway: installing schemathesis (27 packages from PyPI) into $environment"
    rm -rf $environment
    # Debian's python3 has no venv of its own.
    python3 -m venv $environment 2>/dev/null || { tests/tools/apt-install.sh python3-venv && python3 -m venv $environment; } ||
        fail "python3 cannot make an environment: on Debian and Ubuntu, apt-get install python3-venv"
    $environment/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $requirements ||
        fail "schemathesis could not be installed: see the message above"
    cp $requirements $environment/installed.txt
fi
[ "${1:-}" != install ] || exit 0
[ -x "$program" ] || fail "$program is missing: \`make build\` first, or name one with SLOTWAY=path"

directory=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf "$directory"
}
trap stop EXIT
trap 'exit 130' INT TERM

ports=$(python3 -c 'import socket
taken = [socket.socket() for _ in range(2)]
for each in taken:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in taken))')
api=127.0.0.1:${ports% *}
cat >"$directory/slotway.yaml" <<YAML
api: $api
xds: 127.0.0.1:${ports#* }
state: $directory/state
pools:
  - name: preannotation
    workers:
      - { worker: "http://127.0.0.1:9001", capacity: 3 }
  - { name: ocr, match: { prefix: /ocr } }
YAML
# The filter is never run here, so any file does.
: >"$directory/filter.wasm"
"$program" serve -f "$directory/slotway.yaml" --filter "$directory/filter.wasm" >"$directory/log" 2>&1 &
server=$!
waited=0
until curl -fs -o /dev/null "http://$api/readyz"; do
    kill -0 $server 2>/dev/null && [ $waited -lt 200 ] || { cat "$directory/log" >&2; fail "the control plane does not start"; }
    waited=$((waited + 1))
    sleep 0.1
done

# A configuration of its own, so that no other one is found. It has the token, which `ps` would show as an argument.
cat >"$directory/schemathesis.toml" <<TOML
headers = { Authorization = "Bearer $(cat "$directory/state/admin-token")", Host = "slotway.example" }
TOML
cat tests/tools/schemathesis.toml >>"$directory/schemathesis.toml"
# It writes its files into the working directory.
if (cd "$directory" && exec "$tools/schemathesis" --config-file schemathesis.toml run "http://$api/openapi.json" \
    --checks all --max-examples "$examples" --seed "${SEED:-1}" --generation-database none --request-timeout 10 --workers 1 "$@"); then
    outcome=0
else
    outcome=$?
fi
# The control plane must still run, and must have logged no error.
kill -0 $server 2>/dev/null || { cat "$directory/log" >&2; fail "the control plane has ended"; }
if grep -aE '(ERROR|panicked)' "$directory/log" >&2; then
    fail "the control plane has had errors, see above"
fi
exit $outcome
