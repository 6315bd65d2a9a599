"""Schemes on 41 real ranks and the same delay trace, in turn: completion time and speed-up.

python benchmarks/one_trace.py [--repeats 3] [--iterations 30] [--schemes uncoded,lcc-mmc,...]
"""

from __future__ import annotations

import argparse
import statistics

from common import run_json

SCHEMES = "uncoded,lcc,lcc-mmc-2,lcc-mmc,uc-mmc,uc-mmc-pg,mds-mmc"


def main() -> None:
    """Print a row per scheme: medians over the repeats, which go around all schemes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--ranks", type=int, default=41)
    parser.add_argument("--schemes", default=SCHEMES)
    arguments = parser.parse_args()
    names = arguments.schemes.split(",")
    runs = {name: [] for name in names}
    for _ in range(arguments.repeats):
        for name in names:
            run = run_json(
                arguments.ranks, "--scheme", name, "--check-gradient", "--iterations",
                str(arguments.iterations),
            )  # fmt: skip
            runs[name].append(run)
    print("| scheme | completion time (s) | / ideal | speed-up | messages | gradient error |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(run["completion_time"]["mean"] for run in runs[names[0]])
    for name in names:
        mean = statistics.median(run["completion_time"]["mean"] for run in runs[name])
        last = runs[name][-1]
        print(
            f"| {name} | {mean:.4f} | {mean / last['ideal_completion_time']['mean']:.3f} | "
            f"{base / mean:.2f} | {last['communication_load']:.1f} | "
            f"{max(run['gradient_error']['max'] for run in runs[name]):.0e} |"
        )


if __name__ == "__main__":
    main()
