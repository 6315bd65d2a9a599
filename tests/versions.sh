#!/usr/bin/env bash
# tests/versions.sh [oldest|newest] [PYTEST ARGS]: run the core suite at both ends, or at one, of what
# pyproject.toml declares:
#   oldest   the oldest Python that is found, with the oldest version of every dependency
#   newest   the newest Python that is found, with the newest versions
# and without a name at both side by side. Python is looked for on PATH and in pyenv; what cannot be
# tried is skipped, and the reason printed.
set -euo pipefail
# shellcheck source=launch/setup.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../launch/setup.sh"

# All but what many ranks do, and with few cases each: something missing, or called differently, shows.
core=(tests/unit tests/contract tests/mpi/test_run.py tests/mpi/test_bad_input.py --sets 3)
export CODED_DGD_FUZZ_CASES=10
version='import sys; print("%d.%d" % sys.version_info[:2])'

find_python() { # VERSION...: sets PYTHON to the first that runs
    local each
    for each; do
        PYTHON=$(interpreter "python$each")
        if [ "$("$PYTHON" -c "$version" 2>/dev/null)" = "$each" ]; then return; fi
    done
    return 1
}

try() { # NAME PYTEST ARGS
    say "$1: $("$PYTHON" --version)${constraints:+ with $constraints}"
    (own_venv=.venv-$1 && use_test_venv && "$python" -m pytest "${core[@]}" "${@:2}") ||
        die 1 "$1: FAILED"
}

oldest() { # PYTEST ARGS
    if find_python 3.10 3.11; then
        constraints=tests/oldest.txt
        try oldest "$@"
        constraints=''
    else
        say "oldest: skipped: there is no Python 3.10 or 3.11, and numpy 1.24 is made for no newer one"
    fi
}

newest() { # PYTEST ARGS
    local declared=() each usual
    while read -r each; do # the newest first
        declared=("$each" ${declared[@]+"${declared[@]}"})
    done < <(sed -n 's/.*:: Python :: \(3\.[0-9]*\)".*/\1/p' "$root/pyproject.toml")
    usual=$(unset PYTHON && use_own_venv mpi test && "$python" -c "$version") # what tests/run.sh has
    if ! find_python "${declared[@]}"; then
        say "newest: skipped: there is no Python of ${declared[*]}"
    elif [ "$("$PYTHON" -c "$version")" = "$usual" ]; then
        say "newest: skipped: there is none above Python $usual, with which tests/run.sh runs"
    else
        try newest "$@"
    fi
}

case ${1-} in
    oldest | newest) "$@" ;;
    *)
        beside oldest oldest "$@"
        beside newest newest "$@"
        all_beside
        ;;
esac
