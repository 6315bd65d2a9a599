#!/usr/bin/env bash
# tests/run.sh [PYTEST ARGS]: set up the checkout's venv where needed and run the tests in it.
# PYTHON=... and MPIEXEC=... as for launch/local.sh; an activated environment is not used.
set -euo pipefail
# shellcheck source=launch/setup.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../launch/setup.sh"

use_own_venv mpi test
export PATH="$venv/bin:${mpiexec%/*}:$PATH" # the tests say `mpiexec`, as users do
mpi_version=$("$mpiexec" --version 2>&1 </dev/null || true)
say "$("$python" --version) ($python), ${mpi_version%%$'\n'*} ($mpiexec)"
cd "$root"
exec "$python" -m pytest "$@"
