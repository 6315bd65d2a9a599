"""Exact predictions against Monte Carlo at N = M = 40, r = 2..40, and at (N, r) = (10, 5).

python benchmarks/theory.py [--realisations 100000] [--loads 2..40] [--seed 0] [--jobs 1]
    [--delay LAW ...]

For each law of delays and each scheme the largest differences in standard errors and the smallest
p-value of the Kolmogorov-Smirnov test over all loads; then how long exact predictions take at
N = 1000.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from time import perf_counter

from coded_dgd import delays, schemes
from coded_dgd.cli.predicting import parse_loads
from coded_dgd.config import DEFAULT_DELAY
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import Agreement, agreement
from coded_dgd.theory.cases import cases
from coded_dgd.theory.monte_carlo import simulate

NAMES = [*schemes.names(), "lcc-mmc-2", "lcc-mmc-3"]
LAWS = [
    DEFAULT_DELAY,
    "additive:overhead=0.1,overhead_mu=20,alpha=0.01,mu=100",
    "pareto:shape=3,scale=0.02 + shifted-exponential:mu=inf,alpha=0.1",
]
DATA = "synthetic:rows=1000,features=10"


def compare(
    law: str, workers: int, loads: list[int], realisations: int, seed: int, jobs: int
) -> None:
    """Print a row for each scheme; all of them see the same durations."""
    print(f"{law}, N = {workers}, r = {loads[0]}..{loads[-1]}, {realisations} realisations")
    print(f"{'':<18}{'cases':>6}{'|z| E[T]':>10}{'|z| std':>10}{'|z| load':>10}{'KS p':>10}")
    every = cases(NAMES, workers, loads, data=DATA)
    for name, group in groupby(every, key=lambda case: case.name):
        found: list[Agreement] = []
        for case in group:
            if case.scheme is not None:
                delay = delays.create(law, seed=0)
                exact = predict(case.scheme, delay, realisations=2)
                if exact.method == "exact":
                    sample = simulate(case.scheme, delay, realisations, seed, jobs)
                    found.append(agreement(exact, sample))
        if not found:
            continue
        print(
            f"{name:<18}{len(found):>6}"
            + "".join(f"{max(abs(each[i]) for each in found):>10.2f}" for i in range(3))
            + f"{min(each.p_value for each in found):>10.4f}",
            flush=True,
        )


def main() -> None:
    """Compare, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--realisations", type=int, default=100_000)
    parser.add_argument("--loads", default="2..40")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--delay", nargs="+", default=LAWS)
    arguments = parser.parse_args()
    how = arguments.realisations, arguments.seed, arguments.jobs
    for law in arguments.delay:
        compare(law, 10, [5], *how)
        compare(law, 40, parse_loads(arguments.loads), *how)
    print("seconds for an exact prediction at N = 1000, r = 20")
    for name in ("lcc-mmc", "mds-mmc", "uc-mmc", "uc-mmc-pg"):
        scheme, delay = schemes.create(name, 1000, load=20), delays.create(DEFAULT_DELAY, seed=0)
        begin = perf_counter()
        predict(scheme, delay)
        print(f"{name:<18}{perf_counter() - begin:.2f}")


if __name__ == "__main__":
    main()
