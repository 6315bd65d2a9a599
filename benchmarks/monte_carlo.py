"""Seconds that a Monte Carlo simulation takes, for every scheme at N = M = 40 and several loads.

python benchmarks/monte_carlo.py [--realisations 100000] [--loads 2 10 40] [--delay LAW] [--jobs 1]

Schemes whose load follows from their redundancy get as much redundancy.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np

from coded_dgd import delays, registry, schemes
from coded_dgd.config import DEFAULT_DELAY
from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory.monte_carlo import simulate

WORKERS = 40


def build(name: str, load: int) -> Scheme:
    """Build the scheme for 40 equal blocks, as far as it lets choose them."""
    kind = registry.find(schemes, name, Scheme, "scheme")
    chosen = {"blocks": WORKERS, "load": load, "redundancy": load}
    taken = {key: value for key, value in chosen.items() if key in (*kind.sizes, *kind.options)}
    scheme = schemes.create(name, WORKERS, **taken)
    scheme.fit(WORKERS, np.ones)
    return scheme


def main() -> None:
    """Print a table with a row per scheme."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--realisations", type=int, default=100_000)
    parser.add_argument("--loads", type=int, nargs="*", default=[2, 10, 40])
    parser.add_argument("--delay", default=DEFAULT_DELAY)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    delay = delays.create(arguments.delay, seed=0)
    print(f"seconds for {arguments.realisations} realisations, {arguments.delay}")
    print(f"{'r':<18}" + "".join(f"{load:>8}" for load in arguments.loads))
    for name in schemes.names():
        row = f"{name:<18}"
        for load in arguments.loads:
            try:
                scheme = build(name, load)
            except Infeasible:
                row += f"{'-':>8}"
                continue
            begin = perf_counter()
            simulate(scheme, delay, arguments.realisations, seed=0, jobs=arguments.jobs)
            row += f"{perf_counter() - begin:>8.2f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
