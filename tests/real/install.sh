#!/bin/sh
# Makes the real peers of tests/real ready: SIPp, baresip, Chromium with a Chinese font, and Asterisk 22 in a root of
# its own outside the repository, so that clones share it. Says plainly what is left out and why, and exits 0 then:
# the tests that need a missing peer are skipped with the same words. Quick when everything is there.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
HOUSE=${HOTLINE_TEST_HOME:-/var/lib/hotline-test}
ROOT=$HOUSE/asterisk
READY=$ROOT/.ready-1            # raise the number when the recipe below changes
OLDEST_ASTERISK=22.10.1         # older ones can deadlock
PACKAGES="sip-tester baresip mmdebstrap chromium fonts-noto-cjk"

left_out() { echo "Left out: $*"; }

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Whether this machine's own Asterisk is new enough; then no root of its own is needed.
system_asterisk() {
    command -v asterisk >/dev/null || return 1
    version=$(asterisk -V 2>/dev/null | sed 's/^Asterisk \([0-9.]*\).*/\1/')
    [ "$(printf '%s\n' "$OLDEST_ASTERISK" "$version" | sort -V | head -n 1)" = "$OLDEST_ASTERISK" ]
}

missing_packages() {
    for package in $PACKAGES; do installed "$package" || printf '%s ' "$package"; done
}

# Where this machine itself gets Debian from. Known only after one `apt-get update`.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1
}

install_packages() {
    missing=$(missing_packages)
    [ -z "$missing" ] && return
    echo "Installing ${missing% } ..."
    # shellcheck disable=SC2086
    timeout 300 apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 && return
    timeout 120 apt-get update -qq >/dev/null 2>&1
    for package in $missing; do
        timeout 300 apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
            left_out "what needs $package: apt-get could not install it (no network?)"
    done
}

build_root() {
    [ -n "$(mirror)" ] || timeout 120 apt-get update -qq >/dev/null 2>&1
    address=$(mirror)
    [ -n "$address" ] || { left_out "the real Asterisk: this machine's apt knows no Debian mirror"; return; }
    command -v mmdebstrap >/dev/null || { left_out "the real Asterisk: mmdebstrap is missing"; return; }
    echo "Making a root with Asterisk in $ROOT (about a minute, once) ..."
    mkdir -p "$HOUSE"
    apt-config dump | grep -E '^Acquire::https?::' >"$HOUSE/apt.conf"
    for suite in forky sid; do
        rm -rf "$ROOT.new"
        timeout 600 mmdebstrap --quiet --variant=apt --aptopt="$HOUSE/apt.conf" \
            --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
            --include="$(paste -s -d , "$(dirname "$0")/../../deploy/asterisk/packages.txt")" \
            "$suite" "$ROOT.new" "deb $address $suite main" >"$HOUSE/asterisk.log" 2>&1 && break
    done
    if chroot "$ROOT.new" asterisk -V >/dev/null 2>&1; then
        rm -rf "$ROOT"
        mv "$ROOT.new" "$ROOT" && touch "$READY"
    else
        left_out "the real Asterisk: its root could not be made; see $HOUSE/asterisk.log"
    fi
}

main() {
    [ -f /etc/debian_version ] && command -v apt-get >/dev/null || {
        left_out "Asterisk, SIPp, baresip and Chromium are installed by this script on Debian only"; return; }
    [ "$(id -u)" = 0 ] || {
        left_out "Asterisk and SIP tests: they need root (apt-get, chroot), and this is user $(id -un)"; return; }
    install_packages
    system_asterisk || [ -e "$READY" ] || build_root
}

if [ "$(id -u)" = 0 ] && command -v flock >/dev/null && [ -z "${HOTLINE_TEST_LOCKED:-}" ]; then
    mkdir -p "$HOUSE"
    HOTLINE_TEST_LOCKED=1 exec flock "$HOUSE/lock" sh "$0"      # two clones never build at once
fi
main
exit 0
