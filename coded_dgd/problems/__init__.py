"""This package holds what is minimised and the data over which it is minimised."""
