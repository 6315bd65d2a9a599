#!/usr/bin/env bash
# sbatch @name@ [RUN OPTIONS]: `coded-dgd run` in a Slurm job. Two minutes before
# the time limit the run stops with a checkpoint, the job is queued again, and goes on from there.
# Options of sbatch come before the script's name. RUN=folder goes on with an older run.
#SBATCH --job-name=coded-dgd
@directives@
#SBATCH --signal=B:USR2@@warning@
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=@output@
set -euo pipefail

environment=@environment@
job=slurm-${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}
launcher=(@launcher@)
supervise=("$job" --requeue "scontrol requeue $SLURM_JOB_ID") # Slurm sends USR2
