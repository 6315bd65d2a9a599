"""The process, its host and its launcher, without knowledge of MPI."""
