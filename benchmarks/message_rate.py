"""Messages through rank 0 without delays and with tiny tasks, against a bare loop of mpi4py.

python benchmarks/message_rate.py [--repeats 5] [--same-addresses]

The bare loop (benchmarks/bare_loop.py) does the same receives and sends, and none of our
computing, checking, decoding, logging or accounting. Lines with "in plain numpy" are about the same
loop when it also computes, in the shortest way that numpy has. With --same-addresses all jobs run
under `setarch -R`, so that the libraries have the same addresses in all processes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import command, mpiexec, state

RANKS, ITERATIONS, FEATURES, ROWS = 41, 1000, 100, 10
OURS, BARE = (Path(__file__).with_name(f"{name}_loop.py") for name in ("coded", "bare"))


def main() -> None:
    """Time both in turn and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--same-addresses", action="store_true")
    arguments = parser.parse_args()
    launcher = [*(["setarch", "-R"] if arguments.same_addresses else []), mpiexec()]
    for scheme, load, needed in (("uncoded", 1, 40), ("lcc-mmc", 2, 79), ("mds-mmc", 10, 40)):
        rates, ratios, least = [], [], []
        for _ in range(arguments.repeats):
            ours = loop(launcher, OURS, scheme, load, ITERATIONS, FEATURES)
            bare = loop(launcher, BARE, ITERATIONS, load, needed, FEATURES)
            plain = loop(launcher, BARE, ITERATIONS, load, needed, FEATURES, ROWS)
            rates.append(needed / ours[0])
            ratios.append(compared(ours, bare))
            least.append(compared(plain, bare))
        state(f"{scheme} r = {load}: messages used per second", rates)
        for program, found in (("", ratios), (" in plain numpy", least)):
            of_rates, of_master, of_workers = zip(*found, strict=True)
            what = f"{scheme} r = {load}{program}:"
            state(f"{what} messages used per second / the bare loop's", of_rates)
            state(f"{what} processor time of rank 0 / the bare loop's", of_master)
            state(f"{what} processor time of a worker / the bare loop's", of_workers)


def compared(program: list[float], bare: list[float]) -> list[float]:
    """Return the ratios of the rate, and of the processor times of rank 0 and of a worker."""
    return [bare[0] / program[0], program[1] / bare[1], program[2] / bare[2]]


def loop(launcher: list[str], script: Path, *arguments: object) -> list[float]:
    """Run a script on all ranks; return elapsed time and processor times per iteration."""
    done = command(
        *launcher, "-n", str(RANKS), sys.executable, str(script), *map(str, arguments),
        cwd=Path.cwd(),
    )  # fmt: skip
    return [float(each) for each in done.out.split()[-3:]]


if __name__ == "__main__":
    main()
