#!/bin/sh
# Installs what the benchmark compares with, from Debian's packages: HAProxy, nginx, and wrk for the load.
#
# Their services shall not start: the benchmark starts its own, with its own configuration.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

missing=
for program in haproxy nginx wrk; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
policy=/usr/sbin/policy-rc.d
if command -v apt-get >/dev/null 2>&1 && [ ! -e $policy ]; then
    # 101 is "not allowed"; Debian's packages ask before they start a service.
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
    trap '$sudo rm -f $policy' EXIT
    trap 'exit 130' INT TERM
fi
# shellcheck disable=SC2086 # the programs are words; packages have their names
tests/tools/apt-install.sh $missing || {
    echo "slotway: the benchmark needs$missing: install them and run it again (on Debian and Ubuntu: apt-get install$missing)" >&2
    exit 1
}
