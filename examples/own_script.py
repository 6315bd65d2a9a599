"""Gradient coding in a script of one's own.

mpiexec -n 5 python -m mpi4py examples/own_script.py
"""

import numpy as np

from coded_dgd import train

rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 20))
y = np.sign(X @ rng.standard_normal(20))
result = train(X, y, scheme="gc", load=2, objective="logistic", ridge=1.0, iterations=200)
if result:  # rank 0
    print(result.n_iter_, result.coef_.shape, f"{result.summary['accuracy']:.3f}")
