"""Virtual time of `uc-dynamic`: the law of the paper, recorded traces, and how its cost grows.

python benchmarks/dynamic.py law [--iterations 1000] [--late 0.002]
python benchmarks/dynamic.py traces TRACE.npy ... [--per-worker 8] [--copies 1 2 3 4]
python benchmarks/dynamic.py growth [--iterations 3]

Messages take no time, and words to workers take `--late` seconds. A task is 1/M of all data for
every N. `law` and `growth` compare with work that is split perfectly by the speed of the workers,
and `traces` with `uncoded` with N = M. What a trace may hold is the same as for --delay trace:FILE.
The processor time of rank 0 in `growth` includes the virtual workers, and is an upper bound.
"""

from __future__ import annotations

import argparse
from time import process_time

import numpy as np

from coded_dgd import delays, schemes
from coded_dgd.delays.base import DelayModel
from coded_dgd.scheduling.virtual import VirtualWorkers

LAW = "shifted-exponential:mu=10,alpha=0.01,per=share"


def times(
    delay: DelayModel, iterations: int, late: float, workers: int, blocks: int, copies: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return completion times in seconds, and words per block, of each iteration."""
    scheme = schemes.create("uc-dynamic", workers, blocks, copies=copies)
    work = scheme.work_under(delay)
    delay.check(workers, work)
    virtual, found, words = VirtualWorkers(scheme, late), [], []
    for iteration in range(iterations):
        finish = [delay.finish_times(iteration, w, work) for w in range(workers)]
        found.append(virtual.run(np.array(finish)).completion_time)
        words.append(virtual.words / blocks)
    return np.array(found), np.array(words)


def shares(delay: DelayModel, iterations: int, workers: int) -> np.ndarray:
    """Return the time in which each worker does 1/M of all data, of shape (iterations, M)."""
    one = np.array([1.0])
    return np.array(
        [[delay.finish_times(t, w, one)[0] for w in range(workers)] for t in range(iterations)]
    )


def law(arguments: argparse.Namespace) -> None:
    """Print completion times under the law of the paper with 40 workers and 10 copies."""
    delay, count = delays.create(LAW, arguments.seed), arguments.iterations
    perfect = (40 / (1 / shares(delay, count, 40)).sum(axis=1)).mean()
    print(f"{LAW}, M = 40, 10 copies, {count} iterations")
    print(f"work split perfectly by speed: {perfect:.4f} s")
    print("   N  words late  seconds      / perfect  words / N, most")
    for blocks in (160, 40):
        for late in dict.fromkeys([0.0, arguments.late]):
            found, words = times(delay, count, late, 40, blocks, "10")
            error = found.std(ddof=1) / np.sqrt(count) / perfect
            ratio = f"{found.mean() / perfect:5.3f} +- {error:.3f}"
            of_words = f"{words.mean():9.2f} {words.max():6.2f}"
            line = f"{blocks:4} {1e3 * late:8.1f} ms {found.mean():8.4f} {ratio} {of_words}"
            print(line, flush=True)


def traces(arguments: argparse.Namespace) -> None:
    """Print completion times of each trace relative to those of `uncoded`."""
    print(f"{'trace':24} {'M':>3} {'N':>4} {'copies':>6} {'/ uncoded':>9} {'words / N':>10}")
    for path in arguments.files:
        delay = delays.create(f"trace:{path},per=share", arguments.seed)
        recorded = np.load(path).shape
        count, workers = recorded[:2]
        blocks = workers * (1 if len(recorded) == 3 else arguments.per_worker)
        uncoded = shares(delay, count, workers).max(axis=1).mean()
        for copies in arguments.copies:
            found, words = times(delay, count, arguments.late, workers, blocks, str(copies))
            print(
                f"{path[-24:]:24} {workers:3} {blocks:4} {copies:6} {found.mean() / uncoded:9.3f} "
                f"{words.mean():10.2f}",
                flush=True,
            )


def growth(arguments: argparse.Namespace) -> None:
    """Print the processor time of rank 0 for each iteration and result, as M and N grow."""
    print(f"{'M':>5} {'N':>5} {'/ perfect':>9} {'ms / iteration':>15} {'us / block':>11}")
    for workers, blocks in ((40, 160), (200, 1600), (1000, 8000)):
        delay = delays.create(LAW, arguments.seed)
        perfect = (workers / (1 / shares(delay, arguments.iterations, workers)).sum(axis=1)).mean()
        begin = process_time()
        found, _ = times(delay, arguments.iterations, 0.0, workers, blocks, "10")
        seconds = (process_time() - begin) / arguments.iterations
        print(
            f"{workers:5} {blocks:5} {found.mean() / perfect:9.3f} {1e3 * seconds:15.1f} "
            f"{1e6 * seconds / blocks:11.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_subparsers(required=True)
    for run in (law, traces, growth):
        each = what.add_parser(run.__name__, description=run.__doc__)
        each.set_defaults(run=run)
        each.add_argument("--iterations", type=int, default=3 if run is growth else 1000)
        each.add_argument("--late", type=float, default=0.0 if run is traces else 0.002)
        each.add_argument("--seed", type=int, default=0)
        if run is traces:
            each.add_argument("files", nargs="+")
            each.add_argument("--per-worker", type=int, default=8)
            each.add_argument("--copies", type=int, nargs="+", default=[1, 2, 3, 4])
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
