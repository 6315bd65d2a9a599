"""Coded distributed gradient descent over MPI.

Rank 0 is the master: it distributes encoded or replicated data, sends the model, and decodes the
gradient as soon as enough of the workers' messages have arrived. Importing this package imports
nothing else: 41 processes do it at once.
"""

__version__ = "0.1.0"
