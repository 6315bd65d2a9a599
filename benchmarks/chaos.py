"""Runs with faults at random moments, judged: hangs, wrong gradients, left-over processes, ...

python benchmarks/chaos.py [--runs 200] [--large 5] [--seed 0]

Prints a line for each run and a table: for each scheme and kind of fault, in how many runs it was,
and what went wrong in them; a run with several faults counts for each.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

from common import mpiexec
from experiments import EXACT, KINDS, Experiment, Verdict, draw, perform

RESUMED = 4
"""Every so manieth run is gone on with afterwards."""


def experiments(runs: int, large: int, seed: int) -> Iterator[Experiment]:
    """All schemes and kinds in turn."""
    for number in range(runs):
        kind = KINDS[number // len(EXACT) % len(KINDS)]
        yield draw(seed + number, EXACT[number % len(EXACT)], kind)
    for number in range(large):
        yield draw(seed + runs + number, EXACT[-1 - number % len(EXACT)], "sigkill", ranks=41)


def row(name: str, verdicts: list[Verdict]) -> str:
    codes = Counter(verdict.code for verdict in verdicts)
    cells = [
        name,
        len(verdicts),
        sum(verdict.hang for verdict in verdicts),
        sum(verdict.wrong_gradients for verdict in verdicts),
        sum(verdict.orphans for verdict in verdicts),
        sum(verdict.unreadable for verdict in verdicts),
        sum(bool(verdict.complaints) for verdict in verdicts),
        ", ".join(f"{code}: {count}" for code, count in sorted(codes.items(), key=str)),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def table(verdicts: list[Verdict], grouped: str) -> str:
    heads = [
        grouped, "runs", "hangs", "wrong gradients", "left-over processes",
        "unreadable checkpoints", "runs with any complaint", "exit codes (number of runs)",
    ]  # fmt: skip
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        experiment = verdict.experiment
        names = experiment.kinds if grouped == "fault" else {experiment.scheme}
        for name in names:
            groups[name].append(verdict)
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [row(name, groups[name]) for name in sorted(groups)]
    lines.append(row("**all**", verdicts))
    return "\n".join(lines)


def main() -> None:
    """Run all, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--large", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begin, verdicts = time.monotonic(), []
    planned = experiments(arguments.runs, arguments.large, arguments.seed)
    for number, experiment in enumerate(planned):
        verdict = perform(experiment, resume=number % RESUMED == 0)
        verdicts.append(verdict)
        faults = ", ".join(f"{f.kind} {f.worker}" for f in experiment.faults)
        print(
            f"{number}: {experiment.scheme} on {experiment.ranks} ranks "
            f"{' '.join(experiment.recovery)} [{faults}]: exit code {verdict.code}, "
            f"{verdict.seconds:.1f} s {'; '.join(verdict.complaints)}",
            flush=True,
        )
    print(f"\n{mpiexec()}, {len(verdicts)} runs in {time.monotonic() - begin:.0f} s\n")
    for grouped in ("scheme", "fault"):
        print(table(verdicts, grouped), end="\n\n")
    raise SystemExit(any(verdict.complaints for verdict in verdicts))


if __name__ == "__main__":
    main()
