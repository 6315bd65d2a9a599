"""A run from its configuration to its results, for the command line and for Python."""
