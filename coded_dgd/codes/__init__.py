"""Pure mathematics of the codes: no MPI, no data, no clocks."""
