"""Largest gradient error of any iteration, N = 40 on the default data, for every load.

python benchmarks/gradient_error.py [--guard 1e4] [--iterations 100] [--loads 2 10 40]

In virtual time: the arithmetic of encoding, tasks and decoding is the same as on real ranks.
"""

from __future__ import annotations

import argparse

from coded_dgd.config import RunConfig
from coded_dgd.engine import job, setup
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible


def largest_error(scheme: str, load: int, guard: float, iterations: int) -> float:
    """Run in virtual time; return the largest error of all iterations."""
    config = RunConfig(
        scheme=scheme,
        load=load,
        guard=guard,
        iterations=iterations,
        check_gradient=True,
        transport="simulated",
    )
    prepared = setup.prepare(config, None)
    transport = SimulatedTransport(prepared.scheme.workers)
    outcome = job.run(prepared, transport)
    return max(record.gradient_error or 0.0 for record in outcome.log)


def main() -> None:
    """Print a table with a row per load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guard", type=float, default=1e6)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--loads", type=int, nargs="*", default=range(2, 41))
    arguments = parser.parse_args()
    schemes = ("lcc-mmc", "lcc")
    print(f"guard {arguments.guard:.0e}, {arguments.iterations} iterations each")
    print("r    " + "".join(f"{scheme:>12}" for scheme in schemes))
    worst = dict.fromkeys(schemes, 0.0)
    for load in arguments.loads:
        row = f"{load:<5}"
        for scheme in schemes:
            try:
                error = largest_error(scheme, load, arguments.guard, arguments.iterations)
            except Infeasible:
                row += f"{'infeasible':>12}"
                continue
            worst[scheme] = max(worst[scheme], error)
            row += f"{error:>12.1e}"
        print(row, flush=True)
    print("worst" + "".join(f"{worst[scheme]:>12.1e}" for scheme in schemes))


if __name__ == "__main__":
    main()
