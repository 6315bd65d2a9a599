"""The budget: each ratio that the project keeps, beside its bound and the documented value.

python benchmarks/budget.py [WORD ...]

The table under "Budget" in docs/performance.md names the ratios, their bounds and the commands that
print them; with words, only commands that hold one of them are run. The range of a ratio's repeats
is its noise: the ratio falls short if even the best of its repeats misses the bound, whatever is
documented. The exit code is 1 if a ratio falls short or is not measured.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from common import command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
LONGEST = 3600.0
"""Seconds after which a benchmark is ended; its jobs on ranks have shorter limits."""
ROW = re.compile(r"\| (.+?) \| `python (.+?)` \| (<=|>=) ([\d.]+) \| (([\d.]+).*?) \|")
"""A row of the table: ratio, command, bound and documented value."""
STATED = re.compile(r"^(.+): median (\S+) \(min (\S+), max (\S+), n = \d+\)$", re.MULTILINE)
"""A line that `common.state` prints for a quantity without a unit."""


class Row(NamedTuple):
    """A row of the budget."""

    ratio: str
    """The words with which the benchmark states the ratio."""
    command: str
    """The script and its arguments."""
    sign: str
    """Whether the bound is the largest value, `<=`, or the smallest one, `>=`."""
    bound: float
    documented: str
    """The documented median with its range."""
    median: float
    """The documented median."""

    def missed_by(self, value: float) -> bool:
        """Return whether a value misses the bound, as nan does."""
        return not (value <= self.bound if self.sign == "<=" else value >= self.bound)


class Measured(NamedTuple):
    """Median and range of a ratio over the repeats."""

    median: float
    low: float
    high: float


class FailedError(Exception):
    """A benchmark failed; the message says how."""


def rows(text: str) -> list[Row]:
    """Return the rows of the budget in the text of the page."""
    section = text.partition("\n## Budget\n")[2].partition("\n## ")[0]
    found = []
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]:
        if not (cells := ROW.fullmatch(line)):
            raise SystemExit(f"{PAGE}: this is not a row of the budget: {line}")
        ratio, words, sign, bound, documented, median = cells.groups()
        ratio = ratio.replace("`", "")
        found.append(Row(ratio, words, sign, float(bound), documented, float(median)))
    return found


def stated(words: str) -> dict[str, Measured]:
    """Run a benchmark and return the ratios that it states, by name.

    Raises
    ------
    FailedError
        If its exit code is not 0, or it does not end in time.
    """
    program = [sys.executable, *shlex.split(words)]
    try:
        done = command(*program, cwd=PAGE.parents[1], timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise FailedError(f"the benchmark did not end within {LONGEST:g} s") from None
    if done.code:
        last = done.err.strip().rpartition("\n")[2] or "it printed no error"
        raise FailedError(f"the benchmark failed with exit code {done.code}: {last}")
    return {
        name: Measured(*(float(each) for each in figures))
        for name, *figures in STATED.findall(done.out)
    }


def verdict(row: Row, now: Measured) -> tuple[str, bool]:
    """Return what is to be said of a ratio, and whether it falls short."""
    if not row.missed_by(now.median):
        return "kept", False
    if not row.missed_by(now.low if row.sign == "<=" else now.high):
        return "missed by less than the noise", False
    return f"FALLS SHORT{', as documented' if row.missed_by(row.median) else ''}", True


def main() -> None:
    """Run the commands one after the other, and print a line for each ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    words = parser.parse_args().words
    budget = rows(PAGE.read_text(encoding="utf-8"))
    chosen = [row for row in budget if not words or any(each in row.command for each in words)]
    if not chosen:
        parser.error("the budget has no command that holds one of these words")
    short = 0
    for each in dict.fromkeys(row.command for row in chosen):
        print(f"python {each}", flush=True)
        try:
            ratios, missing = stated(each), "the benchmark does not state it"
        except FailedError as failure:
            ratios, missing = {}, str(failure)
        for row in (row for row in chosen if row.command == each):
            figures, said, falls = "no value", f"NOT MEASURED, {missing}", True
            if row.ratio in ratios:
                figures = "{:.3f} ({:.3f} to {:.3f})".format(*(now := ratios[row.ratio]))
                said, falls = verdict(row, now)
            short += falls
            print(
                f"  {row.ratio}: {figures}, bound {row.sign} {row.bound:g}, "
                f"documented {row.documented}: {said}",
                flush=True,
            )
    if short:
        raise SystemExit(f"{short} of {len(chosen)} ratios of the budget fall short")
    print(f"all {len(chosen)} ratios of the budget are kept, or missed by less than the noise")


if __name__ == "__main__":
    main()
