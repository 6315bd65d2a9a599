"""Master and workers over MPI.

Receives are posted ahead, per worker, never with ANY_SOURCE; there is no collective between
MPI_Init and MPI_Finalize and no send is ever cancelled. Nobody spins: waiting sleeps between tests.
Where MPI survives the loss of a process (ULFM), so does a job.
"""
