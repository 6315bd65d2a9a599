"""What rank 0 has to do as the number of workers grows, in virtual time, without the data.

python benchmarks/scale.py [--plot FILE]

For each scheme and N: taking in the messages of an iteration (microseconds for each), computing the
decode weights, and the median error amplification. Delays are the papers'; the guard is off.
"""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter

from coded_dgd import delays, schemes
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder, replay

WORKERS = (40, 100, 250, 500, 1000, 2000)
SCHEMES = (
    ("uncoded", 1), ("uc-mmc", 3), ("uc-mmc-pg", 3), ("lcc", 10), ("lcc-mmc", 3), ("lcc-mmc-2", 4),
    ("mds-mmc", 3), ("gc", 3),
)  # fmt: skip


def measure(name: str, workers: int, load: int, repeats: int) -> tuple[int, float, float, float]:
    """Messages, seconds for each, seconds for the weights, and amplification: medians."""
    decoder = GuardedDecoder(schemes.create(name, workers, None, load), inf)
    delay = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
    found = []
    for finish in delay.trace(repeats, workers, decoder.scheme.work):
        order = replay(decoder, finish).order
        begin = perf_counter()
        decoder.begin()
        for message in order:
            decoder.arrive(message)
        taking = (perf_counter() - begin - decoder.weights_time) / len(order)
        found.append((len(order), taking, decoder.weights_time, decoder.amplification))
    messages, taking, weights, amplification = (
        median(column) for column in zip(*found, strict=True)
    )
    return int(messages), taking, weights, amplification


def main() -> None:
    """Print the table, and draw it where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| scheme | N | messages | taking in, us each | weights, ms | amplification |")
    print("|---|---|---|---|---|---|")
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, load in SCHEMES:
        for workers in WORKERS:
            try:
                messages, taking, weights, amplification = measure(
                    name, workers, load, arguments.repeats
                )
            except Infeasible as error:
                print(f"| {name} r = {load} | {workers} | {error} | | | |", flush=True)
                continue
            print(
                f"| {name} r = {load} | {workers} | {messages} | {1e6 * taking:.1f} | "
                f"{1e3 * weights:.2f} | {amplification:.1e} |",
                flush=True,
            )
            total = messages * taking + weights
            curves.setdefault(f"{name}, r = {load}", []).append((workers, 1e3 * total))
    if arguments.plot:
        import matplotlib

        matplotlib.use("agg")
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for label, points in curves.items():
            axes.loglog(*zip(*points, strict=True), marker="o", label=label)
        axes.set(xlabel="workers M = N", ylabel="work of rank 0 per iteration in ms")
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
        figure.savefig(arguments.plot)


if __name__ == "__main__":
    main()
