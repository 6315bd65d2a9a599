"""Master and workers over MPI.

Receives are posted ahead, per worker, never with ANY_SOURCE. There is no collective between
MPI_Init and MPI_Finalize, and no send is ever cancelled. Waiting sleeps between tests instead of
spinning. If MPI survives the loss of a process (ULFM), so does a job.
"""
