#!/bin/bash
# sbatch examples/slurm.sh --config configs/small.py --workdir /shared/runs/small
#SBATCH --job-name=agejax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

# One process per GPU. Before the time limit, or on preemption, all save the same step and exit with
# 143; if one is lost, the others exit with 75. In both cases the requeued job resumes from there.
srun --kill-on-bad-exit=0 python launch.py "$@"
code=$?
if [ "$code" = 143 ] || [ "$code" = 75 ] || [ "$code" = 137 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
