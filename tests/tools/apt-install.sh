#!/bin/sh
# Installs Debian packages, as root or with sudo: `apt-install.sh lld python3-pip`. Fails where it cannot.
set -eu
command -v apt-get >/dev/null 2>&1 || exit 1
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || exit 1
    sudo=sudo
fi
echo "slotway: installing $* with apt-get"
$sudo apt-get install -y --no-install-recommends "$@" ||
    { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends "$@"; }
