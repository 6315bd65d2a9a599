"""Scripts that run coded-dgd run in a batch job, or on hosts that ssh reaches."""
