"""This package reads traces of clusters, and describes what they look like."""
