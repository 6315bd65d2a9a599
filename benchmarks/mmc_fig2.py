"""Fig. 2 of Ozfatura et al. on 41 real ranks: measured against what theory says.

python benchmarks/mmc_fig2.py [--iterations 100] [--loads 2 5 10 20] [--out DIR]

For each computation load one job compares all schemes on the same delays. Writes a folder for each
of them, and the plot; what is there already, in the same --out, is not measured again. Prints a
table, and ends with exit code 1 if a mean completion time is further from the predicted one than
twice its standard error and 3 %: 100 iterations alone scatter by up to 3.5 %.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from common import compare_json
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from coded_dgd import delays, schemes
from coded_dgd.errors import Infeasible
from coded_dgd.report.figure import COLOURS, DOTS_PER_INCH, MARKERS, STYLE
from coded_dgd.theory import predict

SCHEMES = "lcc,lcc-mmc,lcc-mmc-2,uc-mmc,uc-mmc-pg,mds-mmc"
CLOSE, SYSTEM = 0.05, 0.03
"""Largest deviation from the prediction, and what of it is not for sampling."""
STANDARD_ERRORS = 2
REALISATIONS = 10_000


def main() -> None:
    """Run the jobs, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--loads", type=int, nargs="+", default=[2, 5, 10, 20])
    parser.add_argument("--ranks", type=int, default=41)
    parser.add_argument("--schemes", default=SCHEMES)
    parser.add_argument("--out", type=Path, default=Path("runs/mmc-fig2-measured"))
    arguments, options = parser.parse_known_args()
    results = {}
    print(
        "| r | scheme | predicted (s) | measured (s) | / predicted | standard error "
        "| / ideal | within 5 % | within 2 s.e. + 3 % | messages |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    for load in arguments.loads:
        folder = arguments.out / f"load-{load}"
        if (folder / "comparison.json").exists():
            compared = json.loads((folder / "comparison.json").read_text())
        else:
            compared = compare_json(
                arguments.ranks, "--schemes", arguments.schemes, "--load", str(load),
                "--iterations", str(arguments.iterations), *options, folder=folder,
            )  # fmt: skip
        for result in compared["results"]:
            if result["scheme"] not in arguments.schemes.split(","):
                continue
            results[load, result["scheme"]] = result
            print(row(load, result), flush=True)
        for left_out in compared["left_out"]:
            print(f"| {load} | {left_out['scheme']} | {left_out['reason']} |||||||", flush=True)
    plot(results, compared["parameters"]["delay"], arguments.out)
    if not all(verdicts(result)[1] for result in results.values()):
        raise SystemExit(1)


def standard_error(result: dict[str, Any]) -> float:
    """Of the mean completion time."""
    return float(result["completion_time"]["std"] / np.sqrt(result["iterations"]))


def verdicts(result: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the mean is close, and as close as so many iterations can be."""
    mean, predicted = result["completion_time"]["mean"], result["expected_completion_time"]
    deviation = abs(mean - predicted)
    allowed = STANDARD_ERRORS * standard_error(result) + SYSTEM * predicted
    return deviation <= CLOSE * predicted, deviation <= allowed


def row(load: int, result: dict[str, Any]) -> str:
    """A row of the table."""
    mean, predicted = result["completion_time"]["mean"], result["expected_completion_time"]
    close, sampled = ("yes" if verdict else "NO" for verdict in verdicts(result))
    return (
        f"| {load} | {result['scheme']} | {predicted:.4f} | {mean:.4f} | {mean / predicted:.3f} | "
        f"{standard_error(result) / predicted:.1%} | "
        f"{mean / result['ideal_completion_time']['mean']:.3f} | {close} | {sampled} | "
        f"{result['communication_load']:.1f} |"
    )


def expected(name: str, workers: int, load: int, delay: str) -> tuple[float, float]:
    """Predicted completion time and communication load; nan where the scheme does not exist."""
    try:
        scheme = schemes.create(name, workers, load=load)
    except Infeasible:
        return np.nan, np.nan
    prediction = predict(scheme, delays.create(delay, 0), realisations=REALISATIONS)
    return prediction.mean, prediction.communication_load


def plot(results: dict[tuple[int, str], dict[str, Any]], delay: str, out: Path) -> None:
    """Draw completion time and communication load against the computation load."""
    loads = sorted({load for load, _ in results})
    names = list(dict.fromkeys(name for _, name in results))
    workers = next(iter(results.values()))["workers"]
    iterations = next(iter(results.values()))["iterations"]
    curve = np.arange(loads[0], loads[-1] + 1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 5.0), layout="constrained")
        time, messages = figure.subplots(1, 2)
        for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
            x = [load for load in loads if (load, name) in results]
            found = [results[load, name] for load in x]
            mean = [result["completion_time"]["mean"] for result in found]
            errors = [STANDARD_ERRORS * standard_error(result) for result in found]
            predicted = [expected(name, workers, load, delay) for load in curve.tolist()]
            times, loads_sent = zip(*predicted, strict=True)
            used = [result["communication_load"] for result in found]
            marks: Any = {"color": colour, "marker": marker, "markersize": 6}
            time.plot(curve, times, color=colour, linewidth=1.2)
            time.errorbar(x, mean, errors, linestyle="none", capsize=3, label=name, **marks)
            messages.plot(curve, loads_sent, color=colour, linewidth=1.2)
            messages.plot(x, used, linestyle="none", **marks)
        time.set(title="lines: predicted; marks: measured, with twice their standard error")
        time.set(ylabel="completion time (s)")
        messages.set(ylabel="communication load (messages per iteration)")
        for axes in (time, messages):
            axes.set(xlabel="computation load r", xscale="log", yscale="log")
            axes.set_xticks(loads, [str(load) for load in loads])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_minor_locator(NullLocator())
        figure.legend(loc="outside lower center", ncols=len(names))
        figure.suptitle(f"{workers} workers on real ranks, {iterations} iterations, {delay}")
        for suffix in ("png", "svg"):
            undated = {"Date": None} if suffix == "svg" else None
            figure.savefig(out / f"mmc-fig2-measured.{suffix}", dpi=DOTS_PER_INCH, metadata=undated)


if __name__ == "__main__":
    main()
