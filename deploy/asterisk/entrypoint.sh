#!/bin/sh
# Fills the @PLACEHOLDERS@ of the configuration from the environment and starts Asterisk. Nothing secret stands in a
# file of the repository or of the image; the filled copies are readable by Asterisk only.
#
#   entrypoint.sh [asterisk's arguments]      HOTLINE_CONFIG_FROM, HOTLINE_CONFIG_TO: where from, where to
set -eu
umask 077
FROM=${HOTLINE_CONFIG_FROM:-/usr/local/share/hotline/asterisk}
TO=${HOTLINE_CONFIG_TO:-/etc/asterisk}

# The whole list: no other name is ever filled in. A name with no default must be given.
: "${NODE_NAME:=$(hostname | cut -c1-40)}" "${SIP_ADDRESS:=0.0.0.0}" "${SIP_PORT:=5060}" "${EXTERNAL_ADDRESS:=}"
: "${RTP_START:=10000}" "${RTP_END:=10999}" "${AGI_URL:=agi://127.0.0.1:4573/call}"
: "${AMI_ADDRESS:=127.0.0.1}" "${AMI_PORT:=5038}" "${AMI_PERMIT:=127.0.0.1/255.255.255.255}"
: "${TRUNK_PORT:=5060}" "${TRUNK_NUMBER:=12329}" "${TRUNK_USER:=}" "${TRUNK_SECRET:=}"
: "${RECORDINGS_GID:=$(id -g)}" "${RECORD_TALKS:=agent}"
: "${TRUNK_HOST:=}" "${AMI_SECRET:=}" "${AGENT1_SECRET:=}" "${AGENT2_SECRET:=}"
REQUIRED="TRUNK_HOST AMI_SECRET AGENT1_SECRET AGENT2_SECRET"
NAMES="NODE_NAME SIP_ADDRESS SIP_PORT RTP_START RTP_END AGI_URL AMI_ADDRESS AMI_PORT AMI_PERMIT AMI_SECRET
    TRUNK_HOST TRUNK_PORT TRUNK_NUMBER TRUNK_USER TRUNK_SECRET EXTERNAL_ADDRESS AGENT1_SECRET AGENT2_SECRET
    RECORD_TALKS"

faults=""
for name in $REQUIRED; do
    eval "[ -n \"\$$name\" ]" || faults="$faults
  $name is not set"
done
rules=""
for name in $NAMES; do
    eval "value=\$$name"
    # A ; would begin a comment, a line end another option, an @ another placeholder.
    case $value in *[!A-Za-z0-9.:/_+=,~%!?*-]*) faults="$faults
  $name holds a character that Asterisk's files cannot carry (letters, digits and . : / _ + = , ~ % ! ? * - are fine)" ;; esac
    rules="$rules;s|@$name@|$value|g"
done
# A call's id begins with it, and the service takes no odd ones.
case $NODE_NAME in *[!A-Za-z0-9._-]*) odd=yes ;; *) odd= ;; esac
[ -z "$odd" ] && [ ${#NODE_NAME} -le 40 ] || faults="$faults
  NODE_NAME must be up to 40 letters, digits and . _ -"
case $RECORD_TALKS in agent | talk | no) ;; *) faults="$faults
  RECORD_TALKS must be agent, talk or no" ;; esac
[ -z "$faults" ] || { echo "Asterisk cannot start:$faults" >&2; exit 1; }

mkdir -p "$TO"
rm -f "$TO/trunk_credentials.conf" "$TO/external.conf"
for name in acl ccss cel features pjproject queuerules stasis udptl; do
    echo '; all defaults' >"$TO/$name.conf"     # without the file Asterisk complains
done
for file in "$FROM"/*.conf; do
    sed "${rules#;}" "$file" >"$TO/${file##*/}"
done
if [ -n "$TRUNK_USER" ]; then
    printf 'outbound_auth = trunk\n' >"$TO/trunk_credentials.conf"
    cat >>"$TO/pjsip.conf" <<END

[trunk]
type = auth
auth_type = digest
username = $TRUNK_USER
password = $TRUNK_SECRET

[trunk]
type = registration
transport = transport-udp
outbound_auth = trunk
server_uri = sip:$TRUNK_HOST:$TRUNK_PORT
client_uri = sip:$TRUNK_USER@$TRUNK_HOST:$TRUNK_PORT
contact_user = $TRUNK_NUMBER
retry_interval = 30
forbidden_retry_interval = 300
max_retries = 0
END
fi
if [ -n "$EXTERNAL_ADDRESS" ]; then
    printf '%s\n' "external_media_address = $EXTERNAL_ADDRESS" "external_signaling_address = $EXTERNAL_ADDRESS" \
        "local_net = 10.0.0.0/8" "local_net = 172.16.0.0/12" "local_net = 192.168.0.0/16" >"$TO/external.conf"
fi
if left=$(grep -ho '@[A-Z0-9_]*@' "$TO"/*.conf | sort -u | tr '\n' ' ') && [ -n "$left" ]; then
    echo "Asterisk cannot start: nothing fills $left" >&2
    exit 1
fi
OWNER=
if [ "$(id -u)" = 0 ]; then
    OWNER="-o asterisk"
    install -d -o asterisk -g asterisk /run/asterisk /var/log/asterisk /var/cache/asterisk /var/lib/asterisk /var/spool/asterisk
    chown -R asterisk:asterisk "$TO"
    set -- -U asterisk -G asterisk "$@"
fi
# What callers record goes into the one folder that the service shares, by its group; nothing else does.
install -d -m 2770 $OWNER -g "$RECORDINGS_GID" /var/spool/asterisk/hotline
umask 007
exec asterisk -f "$@"
