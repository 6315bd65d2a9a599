"""Fuzz every reader, the command line and the checkpoint loader: targets, cases, failures."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit"))
from fuzzing import TARGETS, confined


def fuzz(name: str, cases: int, seed: int) -> tuple[int, Counter[str], dict[str, str]]:
    """Run so many cases of a target; return how many there were, and what failed."""
    target = TARGETS[name]()
    done, failures, examples = 0, Counter[str](), dict[str, str]()

    @hypothesis.seed(seed)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases)
    def run(case: Any) -> None:
        nonlocal done
        done += 1
        try:
            with confined():
                target.check(case)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
            kind = f"{type(error).__name__}: {lines[0][:60]} ... {lines[-1][-120:]}"
            failures[kind] += 1
            examples.setdefault(kind, f"{case!r}\n{traceback.format_exc()}")

    run()
    return done, failures, examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="Cases of each target.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="Show a case of each failure.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given_ = parser.parse_args()
    print("| target | cases | failures | seconds |\n|---|---|---|---|")
    failed = 0
    for name in given_.targets or TARGETS:
        begin = perf_counter()
        done, failures, examples = fuzz(name, given_.cases, given_.seed)
        seconds = perf_counter() - begin
        print(f"| {name} | {done} | {failures.total()} | {seconds:.0f} |", flush=True)
        for kind, count in failures.most_common():
            print(f"    {count} x {kind}", file=sys.stderr, flush=True)
            if given_.verbose:
                print(examples[kind], file=sys.stderr, flush=True)
        failed += failures.total()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
