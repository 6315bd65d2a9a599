"""What a further message costs while the guard waits, against a whole decode of the same messages.

python benchmarks/further.py [--repeats 5]

N = 1000, with the papers' delays. The first further message factorises the code, the ones after it
update the factorisation. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
from statistics import mean, median
from time import process_time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from common import state

from coded_dgd import delays, schemes
from coded_dgd.guard import GuardedDecoder, replay

WORKERS = 1000
SCHEMES = (
    ("lcc", 10, 1e6), ("lcc-mmc-2", 4, 1e6), ("lcc-mmc", 3, 1e6), ("mds-mmc", 3, 1e2),
    ("gc", 30, 1e6),
)  # fmt: skip


def measure(decoder: GuardedDecoder, order: list[tuple[int, int]]) -> list[float]:
    """Seconds that each message beyond the first decodable set takes."""
    decoder.begin()
    seconds = []
    for message in order:
        begin = process_time()
        decoder.arrive(message)
        seconds.append(process_time() - begin)
    return seconds[len(order) - decoder.extra :]


def whole(decoder: GuardedDecoder, order: list[tuple[int, int]]) -> tuple[float, float]:
    """Seconds of a whole decode of these messages, and how far its amplification is off ours."""
    ages = np.full(decoder.scheme.expected.shape, -1)
    for message in order:
        ages[message] = 0
    scales = decoder.scheme.message_scales(np.ones(decoder.scheme.blocks))
    begin = process_time()
    weights = decoder.scheme.weights_by_age(ages, decoder.learnt)
    amplification = float(np.max((np.abs(weights) * scales).sum(axis=(-2, -1))))
    return process_time() - begin, abs(decoder.amplification / amplification - 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--schemes", nargs="+", default=[name for name, *_ in SCHEMES])
    repeats, wanted = (arguments := parser.parse_args()).repeats, arguments.schemes
    delay = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
    every = {}
    print("| scheme | guard | further messages | first, ms | each after it, ms | whole, ms | off |")
    print("|---|---|---|---|---|---|---|")
    for name, load, guard in (each for each in SCHEMES if each[0] in wanted):
        scheme = schemes.create(name, WORKERS, None, load)
        decoder = GuardedDecoder(scheme, guard)
        firsts, means, wholes, off, further = [], [], [], [0.0], []
        for finish in delay.trace(repeats + 1, WORKERS, scheme.work):
            order = list(replay(decoder, finish).order)
            further.append(decoder.extra)
            if decoder.extra:
                first, *rest = measure(decoder, order)
                firsts.append(first)
                means += [mean(rest)] if rest else []
                seconds, difference = whole(decoder, order)
                wholes.append(seconds)
                off.append(difference)
        every[f"{name} r = {load}: milliseconds per message after the first further one"] = means
        columns = [
            f"{1e3 * median(each):.3g} ({1e3 * min(each):.3g} to {1e3 * max(each):.3g})"
            if each else "-" for each in (firsts, means, wholes)
        ]  # fmt: skip
        print(
            f"| `{name}` r = {load} | {guard:.0e} | {min(further)} to {max(further)} | "
            f"{' | '.join(columns)} | {max(off):.0e} |",
            flush=True,
        )
    for what, seconds_each in every.items():
        if seconds_each:
            state(what, [1e3 * each for each in seconds_each])


if __name__ == "__main__":
    main()
