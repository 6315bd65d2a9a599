"""Connections between master and workers: MPI, or an event heap with a virtual clock."""
