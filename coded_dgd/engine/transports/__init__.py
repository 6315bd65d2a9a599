"""How master and workers reach each other: MPI, or an event heap with a virtual clock."""
