"""The process, its host and its launcher; nothing here knows MPI."""
