#!/usr/bin/env bash
# qsub launch/pbs.sh: `coded-dgd run` in a PBS job. Two minutes before the time limit the run
# stops with a checkpoint; the job is run again, where PBS allows that to its owner, and goes on
# from there. qsub -v RUN=folder goes on with an older run.
# coded-dgd launch pbs ... -- RUN OPTIONS prints this script with other options.
#PBS -N coded-dgd
#PBS -l select=41:ncpus=1:mpiprocs=1
#PBS -l walltime=1:00:00
#PBS -r y
#PBS -j oe
set -euo pipefail

cd "$PBS_O_WORKDIR"
environment=${VIRTUAL_ENV:-${CONDA_PREFIX:-$PWD/.venv}}
job=pbs-${PBS_JOBID%%[.[]*}${PBS_ARRAY_INDEX:+_$PBS_ARRAY_INDEX}
launcher=(mpiexec --hostfile "$PBS_NODEFILE" -n "$(grep -c . "$PBS_NODEFILE")")
limit=$((${PBS_WALLTIME:-3600} - 120))
supervise=("$job" --limit "$limit" --requeue "qrerun $PBS_JOBID")

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
