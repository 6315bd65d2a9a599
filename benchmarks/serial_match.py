"""Every scheme on real ranks against plain serial gradient descent with the same steps.

python benchmarks/serial_match.py [--data FILE] [--objective logistic] [--iterations 200]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import run_json

from coded_dgd import schemes
from coded_dgd.config import DEFAULT_DATA
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source

FAST = "shifted-exponential:mu=100,alpha=0.002"


def main() -> None:
    """Print the relative distance of each scheme's beta from the serial one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=DEFAULT_DATA)
    parser.add_argument("--objective", default="least-squares")
    parser.add_argument("--ranks", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=200)
    arguments = parser.parse_args()
    objective = objectives.create(arguments.objective)
    problem = Problem(open_source(arguments.data, seed=0), objective)
    step = 1 / problem.lipschitz()
    serial = np.zeros(problem.source.features)
    for _ in range(arguments.iterations):
        serial = serial - step * problem.gradient(serial)
    print(f"{problem.source.describe()}; {arguments.iterations} iterations, step {step:.3g}")
    for scheme in [*schemes.names(), "lcc-mmc-2"]:
        if objective.degree != 2 and schemes.create(scheme, arguments.ranks - 1).coded:
            continue
        # a message per row would be 65,000 of them in every iteration
        blocks = ["--blocks", "256"] if scheme == "sgc-send-all" else []
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            run_json(
                arguments.ranks, "--scheme", scheme, "--data", arguments.data, "--delay", FAST,
                "--objective", arguments.objective, *blocks,
                "--step-size", repr(step), "--iterations", str(arguments.iterations),
                folder=folder,
            )  # fmt: skip
            beta = np.load(folder / "beta.npy")
        distance = np.linalg.norm(beta - serial) / np.linalg.norm(serial)
        print(f"{scheme:<12} ||beta - serial|| / ||serial|| = {distance:.1e}", flush=True)


if __name__ == "__main__":
    main()
