#!/usr/bin/env bash
# qsub @name@: `coded-dgd run` in a PBS job. Two minutes before the time limit the run
# stops with a checkpoint; the job is run again, where PBS allows that to its owner, and goes on
# from there. qsub -v RUN=folder goes on with an older run.
# coded-dgd launch pbs ... -- RUN OPTIONS prints this script with other options.
#PBS -N coded-dgd
@directives@
#PBS -r y
#PBS -j oe
set -euo pipefail

cd "$PBS_O_WORKDIR"
environment=@environment@
job=pbs-${PBS_JOBID%%[.[]*}${PBS_ARRAY_INDEX:+_$PBS_ARRAY_INDEX}
launcher=(mpiexec --hostfile "$PBS_NODEFILE" -n "$(grep -c . "$PBS_NODEFILE")")
limit=$((${PBS_WALLTIME:-@seconds@} - @warning@))
supervise=("$job" --limit "$limit" --requeue "qrerun $PBS_JOBID")
