"""Rank 0 schedules the tasks of a dynamic scheme, in real and in virtual time."""
