"""The network of network.py trained on 4/5 of scikit-learn's digits, and tested on the others.

mpiexec -n 9 python -m mpi4py examples/digits.py

Rank 0 also writes digits.npz, with which the command line trains the same network. Other
optimizers are other values of optimizer and step_size below.
"""

import numpy as np
import torch
from network import objective
from sklearn.datasets import load_digits

from coded_dgd import train

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
X, y = X[order] / 16, y[order]
rows, others = slice(1437), slice(1437, None)
result = train(
    X[rows], y[rows], objective=objective, scheme="uc-mmc", load=2, ridge=0.3,
    optimizer="nesterov", step_size=3e-4, iterations=300,
)  # fmt: skip
if result:  # rank 0
    np.savez("digits.npz", X=X[rows], y=y[rows])
    network = objective.module(result.coef_)
    classes = network(torch.from_numpy(X[others])).argmax(1).numpy()
    print(f"accuracy {np.mean(classes == y[others]):.4f} of {len(classes)} images not trained on")
