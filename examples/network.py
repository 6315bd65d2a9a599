"""A network of two layers for the images of ten digits, which have 8 x 8 pixels.

mpiexec -n 9 coded-dgd run --objective network:objective --data digits.npz --step-size 3e-4
"""

from torch import nn
from torch.nn.functional import cross_entropy

from coded_dgd.torch import TorchObjective


def network():
    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))


objective = TorchObjective(network, cross_entropy)
