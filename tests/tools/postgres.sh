#!/bin/sh
# Installs PostgreSQL for the tests, from Debian's packages. The tests start servers of their own; the package's service
# shall not start, nor make a database.
set -eu
cd "$(dirname "$0")/../.."

# Debian keeps the server's programs apart from the search path.
if [ -n "${SLOTWAY_POSTGRES:-}" ] || command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exit 0
fi

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
policy=/usr/sbin/policy-rc.d
if command -v apt-get >/dev/null 2>&1; then
    if [ ! -e $policy ]; then
        # 101 is "not allowed"; Debian's packages ask before they start a service.
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 755 $policy
        trap '$sudo rm -f $policy' EXIT
        trap 'exit 130' INT TERM
    fi
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        $sudo mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
fi
tests/tools/apt-install.sh postgresql || {
    echo "slotway: the tests need PostgreSQL's initdb and postgres: install them and run it again (on Debian and Ubuntu: apt-get install postgresql), or set SLOTWAY_POSTGRES to their directory" >&2
    exit 1
}
