"""Measured completion time against the ideal on the same delay trace, on 41 real ranks.

python benchmarks/completion_time.py [--repeats 5] [RUN OPTIONS]
"""

from __future__ import annotations

import argparse

from common import run_json, state


def main() -> None:
    """Run the main job several times and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=41)
    arguments, options = parser.parse_known_args()
    runs = [run_json(arguments.ranks, *options) for _ in range(arguments.repeats)]
    for quantile in ("mean", "p50", "p95", "p99"):
        ratios = [
            run["completion_time"][quantile] / run["ideal_completion_time"][quantile]
            for run in runs
        ]
        state(f"measured / ideal, {quantile}", ratios)
    state(
        "CPU of a waiting worker, largest", [100 * run["worker_cpu"]["max"] for run in runs], " %"
    )
    state("shutdown", [1000 * run["shutdown_time"] for run in runs], " ms")


if __name__ == "__main__":
    main()
