"""The ranks of a job that `coded_dgd.pool` has started: ``python -m coded_dgd.pool_ranks FOLDER``.

Rank 0 is given trainings by the process that has started the job, and every rank calls `train`.
"""
