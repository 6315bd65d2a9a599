#!/usr/bin/env bash
# launch/local.sh [ARGS]: run coded_dgd on this machine, as 40 workers and a master.
#
# It is `mpiexec -n 41 python -m coded_dgd.run --scheme lcc-mmc ARGS`, after having set up, the first
# time, a venv in the checkout with all that needs. WORKERS=8 changes the number of workers;
# PYTHON=python3.12 names the interpreter to make the venv from; MPIEXEC=/path/mpiexec names an MPI
# to use instead of the one that would be installed. An activated environment is used as it is.
set -euo pipefail
# shellcheck source=launch/setup.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/setup.sh"

workers=${WORKERS-40}
[[ $workers =~ ^[1-9][0-9]{0,4}$ ]] || die 2 "WORKERS has to be a whole number from 1, not '$workers'"

active=$(active_environment)
if [ -n "$active" ] && [ -z "${MPIEXEC:-}" ] && [ -z "${PYTHON:-}" ]; then
    use_environment "$active"
else
    use_own_venv mpi
fi
exec "$mpiexec" -n $((workers + 1)) "$python" -m coded_dgd.run --scheme lcc-mmc "$@"
