#!/bin/sh
# The peers of the benchmarks, from Debian: Kannel and wrk. Needs root; says so when it may not.
set -eu
missing=""
for package in kannel wrk; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "install as root:$missing" >&2; exit 1; }
echo "Installing$missing ..."
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
