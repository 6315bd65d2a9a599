#!/usr/bin/env bash
# @name@ HOSTFILE [RUN OPTIONS]: `coded-dgd run` on hosts that ssh reaches, without a batch system.
# A line of HOSTFILE is a host and how many ranks it takes, as in `node1 slots=14`; the first is this
# one, and has the master. RUN=folder goes on with an older run.
set -euo pipefail

environment=@environment@
hostfile=${1-}
if [ ! -r "$hostfile" ]; then
    echo "hosts.sh: '$hostfile' cannot be read: name a file of hosts, and then options of the run" >&2
    exit 2
fi
shift
job=hosts-$(date +%Y%m%d-%H%M%S)-$$
ranks=$(sed -E '/^ *(#|$)/d; /slots=/!s/$/ slots=1/; s/.*slots=([0-9]+).*/\1/' "$hostfile" | paste -sd+)
mpiexec=$(PATH="$environment/bin:$PATH" command -v mpiexec || echo mpiexec)
launcher=("$mpiexec" --hostfile "$hostfile" -n "$((ranks))")
case $("$mpiexec" --version 2>&1) in
    *HYDRA* | *Intel*) # MPICH and its kin write node1:14
        launcher[1]=-hosts
        launcher[2]=$(sed -E '/^ *(#|$)/d; s/ +slots=/:/; s/ .*//' "$hostfile" | paste -sd,)
        ;;
esac
supervise=("$job")
