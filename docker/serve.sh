#!/bin/bash
# serve.sh [HOSTFILE COMMAND...]: be a host that the others reach by ssh, as an ordinary user. With a
# command: run it once all hosts of HOSTFILE answer. ~/.ssh is a volume that they share.
set -euo pipefail
(
    flock 9 # the first to come makes the key
    if [ ! -e ~/.ssh/authorized_keys ]; then
        ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
        cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys
    fi
) 9>~/.ssh/lock
ssh-keygen -q -t ed25519 -N '' -f /tmp/hostkey <<<y >/dev/null
sshd=(/usr/sbin/sshd -D -e -f /dev/null -p 2222 -o HostKey=/tmp/hostkey -o PidFile=none
    -o UsePAM=no -o PasswordAuthentication=no -o MaxStartups=100)
if [ $# = 0 ]; then
    exec "${sshd[@]}"
fi
"${sshd[@]}" &
hostfile=$1
shift
while read -r host _; do
    for ((try = 1; ; try++)); do
        ! ssh -n -o ConnectTimeout=2 "$host" true 2>/dev/null || break
        if [ "$try" = 30 ]; then
            echo "serve.sh: $host does not answer" >&2
            exit 1
        fi
        sleep 1
    done
done <"$hostfile"
exec "$@"
