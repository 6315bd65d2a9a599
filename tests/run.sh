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

# Two at a time: those on ranks, which mostly wait, and all others; both take about as long.
beside 'tests/unit tests/contract tests/launch' \
    "$python" -m pytest "$@" tests/unit tests/contract tests/launch
"$python" -m pytest "$@" tests/mpi || beside_failed+=(tests/mpi)
all_beside
