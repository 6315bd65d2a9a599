"""What is left to do after the last message, and the decode against reading the payloads once.

python benchmarks/decode.py [--repeats 200]

With N = 40 and l = 1000: the last message's arrival, decode weights included, and the weighted sum.
Then the weighted sum of 79 payloads of a million numbers against adding all of them up.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter

import numpy as np
from common import state

from coded_dgd import delays, schemes
from coded_dgd.guard import GuardedDecoder, replay

WORKERS, FEATURES, LONG = 40, 1000, 10**6
SCHEMES = (
    ("uncoded", 1), ("lcc", 10), ("lcc-mmc", 3), ("lcc-mmc", 10), ("lcc-mmc-2", 10),
    ("mds-mmc", 10), ("uc-mmc", 10), ("uc-mmc-pg", 10), ("gc", 3),
)  # fmt: skip


def after_last(decoder: GuardedDecoder, order: list[tuple[int, int]]) -> float:
    """Seconds from the arrival of the last of these messages to the gradient."""
    payloads = np.ones((len(order), -(-FEATURES // decoder.scheme.pieces)))
    decoder.begin()
    for message in order[:-1]:
        decoder.arrive(message)
    begin = perf_counter()
    if not decoder.arrive(order[-1]):
        raise SystemExit("not decodable")
    _ = decoder.weights @ payloads
    return perf_counter() - begin


def main() -> None:
    """State the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    delay = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
    for name, load in SCHEMES:
        decoder = GuardedDecoder(schemes.create(name, WORKERS, None, load), 1e6)
        trace = delay.trace(repeats, WORKERS, decoder.scheme.work)
        seconds = [after_last(decoder, replay(decoder, finish).order) for finish in trace]
        print(f"{name} r = {load}: {1e3 * median(seconds):.3f} ms", flush=True)
    rng = np.random.default_rng(0)
    payloads, weights = rng.standard_normal((79, LONG)), rng.standard_normal(79)
    ratios = []
    for _ in range(7):
        begin = perf_counter()
        _ = weights @ payloads
        decoded = perf_counter()
        np.add.reduce(payloads, axis=None)
        ratios.append((decoded - begin) / (perf_counter() - decoded))
    state("weighted sum of 79 payloads, l = 1e6 / adding up all numbers", ratios)


if __name__ == "__main__":
    main()
