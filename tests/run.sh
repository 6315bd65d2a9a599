#!/usr/bin/env bash
# tests/run.sh [--all | PYTEST ARGS]: set up the checkout's venv where needed and run the tests in it,
# without --all those of the first tier: all but the slow ones.
# PYTHON=... and MPIEXEC=... as for launch/local.sh; an activated environment is not used.
set -euo pipefail
# shellcheck source=launch/setup.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../launch/setup.sh"

use_test_venv
case "$*" in
    '' | --all) ;;
    *) exec "$python" -m pytest "$@" ;;
esac

# Side by side: those on ranks and those of launchers, which mostly wait, and those that compute. Faults
# at random, two minutes of them, are with the launchers, which are done long before the ranks.
chaos=tests/mpi/test_chaos.py
beside "tests/launch $chaos" "$python" -m pytest "$@" tests/launch "$chaos"
beside 'tests/unit tests/contract' "$python" -m pytest "$@" tests/unit tests/contract
"$python" -m pytest "$@" tests/mpi --ignore "$chaos" || beside_failed+=(tests/mpi)
all_beside
