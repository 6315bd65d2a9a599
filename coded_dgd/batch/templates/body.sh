
# From here on all launchers are the same.
stop=''
trap 'stop=limit' USR2
trap 'stop=asked' TERM INT
@sweep@set -- @options@ "$@"

say() { printf '%s: %s\n' "$job" "$*" >&2; }

python=$environment/bin/python
if [ ! -x "$python" ]; then
    say "there is no $python: run launch/local.sh once, or activate an environment before"
    exit 1
fi
export PATH="$environment/bin:$PATH"
launcher[0]=$(command -v "${launcher[0]}") # from the full path Open MPI knows where it is elsewhere

# Open MPI survives the loss of a process, and yields the core when it waits.
export PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1
export OMPI_MCA_mpi_ft_enable=1 OMPI_MCA_mpi_yield_when_idle=1
export PRTE_MCA_rmaps_default_mapping_policy="${PRTE_MCA_rmaps_default_mapping_policy-slot:oversubscribe}"
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

run=${RUN:-runs/$job}
if [ -e "$run/summary.json" ]; then
    say "$run is finished"
    exit 0
elif [ -e "$run/iterations.jsonl" ]; then
    folder=(--resume "$run" --wait-for-run) # a job that was lost sight of may still run
else
    folder=(--out "$run")
fi

# Rank 0 writes here who it is, so that it can be asked to stop whether or not mpiexec passes signals
# on; and its exit code, which mpiexec may lose, or wait for ever for a host that is cut off.
CODED_DGD_LAUNCHER_FOLDER=$(mktemp -d)
export CODED_DGD_LAUNCHER_FOLDER
ask_to_stop() {
    local host='' rank0=''
    [ ! -e "$CODED_DGD_LAUNCHER_FOLDER/rank0" ] ||
        read -r host rank0 <"$CODED_DGD_LAUNCHER_FOLDER/rank0" || true
    if [ "$host" = "$(hostname)" ]; then
        kill -USR2 "$rank0"
    elif [ -e "$run/iterations.jsonl" ]; then
        kill -USR2 "$pid" # rank 0 is elsewhere
    fi
}
"${launcher[@]}" "$python" -m coded_dgd.run "$@" "${folder[@]}" &
pid=$!
left=0 told=0 # seconds since rank 0 has left, and when it was last told to stop
while kill -0 "$pid" 2>/dev/null; do
    if [ -n "$limit" ] && [ "$SECONDS" -ge "$limit" ]; then
        stop=limit
    fi
    if [ -n "$stop" ] && [ "$SECONDS" -ge "$told" ]; then
        ask_to_stop || true
        told=$((SECONDS + 5))
    fi
    if [ -s "$CODED_DGD_LAUNCHER_FOLDER/exit" ]; then
        left=$((left + 1))
        if [ "$left" = @patience@ ]; then
            say "mpiexec does not end: it is ended"
            kill -TERM "$pid" || true
        elif [ "$left" = $((@patience@ + 5)) ]; then
            mapfile -t children < <(pgrep -P "$pid") # ssh, say
            kill -KILL "$pid" "${children[@]}" || true
        fi
    fi
    sleep 1 &
    wait $! || true
done
status=0 new=''
wait "$pid" || status=$?
if [ -s "$CODED_DGD_LAUNCHER_FOLDER/exit" ]; then
    status=$(cat "$CODED_DGD_LAUNCHER_FOLDER/exit")
elif [ "$status" != 75 ] && [ ! -e "$run/summary.json" ]; then
    # mpiexec has lost rank 0 or a host, and may return 0 all the same, or it has been killed
    if [ "$status" = 0 ] || [ "$status" -gt 128 ]; then
        status=1
    fi
    say "the run has not come to its end"
    new=$(find "$run" -name 'checkpoint-*' -newer "$CODED_DGD_LAUNCHER_FOLDER/rank0" 2>/dev/null) || true
fi
rm -rf "$CODED_DGD_LAUNCHER_FOLDER"
if [ "$status" = 2 ] && [ -e "$run/summary.json" ]; then
    say "$run was finished by another job" # which this one has waited for
    exit 0
fi

# A run that was broken off is queued again only if it has got on, or else it might be for ever.
if [ "$status" = 75 ] || [ -n "$new" ]; then
    if [ "$stop" = asked ] || [ -z "$stop$new" ] || ! again; then
        say "stopped; RUN=$run goes on from its checkpoint"
    fi
fi
exit "$status"
