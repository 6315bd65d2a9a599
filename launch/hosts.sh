#!/usr/bin/env bash
# launch/hosts.sh HOSTFILE [RUN OPTIONS]: `coded-dgd run` on hosts that ssh reaches, without a batch system.
# A line of HOSTFILE is a host and how many ranks it takes, as in `node1 slots=14`; the first is this
# one, and has the master. RUN=folder goes on with an older run.
set -euo pipefail

environment=${VIRTUAL_ENV:-${CONDA_PREFIX:-$PWD/.venv}}
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

# From here on all launchers are the same.
set -- --scheme lcc-mmc "$@"
python=$environment/bin/python
if [ ! -x "$python" ]; then
    echo "$job: there is no $python: run launch/local.sh once, or activate an environment before" >&2
    exit 1
fi
export PATH="$environment/bin:$PATH"
exec "$python" -m coded_dgd.batch.supervise "${supervise[@]}" -- \
    "${launcher[@]}" "$python" -m coded_dgd.run "$@"
