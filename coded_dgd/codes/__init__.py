"""This package holds the mathematics of the codes, without MPI, data or clocks."""
