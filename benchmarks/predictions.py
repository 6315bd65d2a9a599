"""Does the planner predict what it has not seen? In virtual time, without MPI and messages.

python benchmarks/predictions.py traces [FILE ...] [--tasks 2] [--json FILE]
python benchmarks/predictions.py laws [--seeds 4] [--seed 0] [--json FILE]

`traces` fits the delay model of the planner to two tasks per worker of every other window of
`WINDOW` iterations (of every other iteration of a short trace), predicts time / uncoded for all
schemes, loads and N, and replays the other windows. What counts is |error| beyond one standard
error of the replay (block bootstrap), and how much longer the exact scheme takes that is predicted
to be the fastest than the one that is. "law" in the place of a file is eq. (12) with the papers'
parameters. The forecast is the same from the first `FIRST` iterations, of all later ones.

`laws` draws what a probe would see of known delay models, 10 whole iterations and short looks at
others, and compares predictions with the true means.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from math import inf, isfinite
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd import delays
from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import SHARE, DelayModel
from coded_dgd.planner.candidates import candidates
from coded_dgd.planner.fitting import fit
from coded_dgd.planner.judging import PRECISE
from coded_dgd.planner.measurements import Network
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.planner.outcomes import outcomes, with_messages
from coded_dgd.problems import objectives
from coded_dgd.schemes.base import Scheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.theory.exact import exact_completion
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.replay import completion_times, ratio_of_means

Floats = NDArray[np.float64]

PAPER = "shifted-exponential:mu=10,alpha=0.01"
WINDOW, SHORT, FIRST = 50, 200, 200
"""Iterations of a window, of a trace that counts as short, and before a forecast."""
SHARES, BLOCKS = (1, 2, 3, 6, 10), (1, 2, 4, 8)
"""Computation of a worker in shares of 1/M of the data, and N as a multiple of M."""
REPLAYED = 90_000
"""Iterations times blocks of a dynamic scheme that are replayed, at most."""
ROWS = 400
"""Rows of the data to which stochastic schemes are fitted."""
WHOLE, LOOKS, GLIMPSE = 10, 200, 1.5
"""As in `coded_dgd.advising.probe`."""

LAWS = {
    "paper": PAPER,
    "heavy": "pareto:shape=1.5,scale=0.02",
    "two-slow": "persistent:ranks=3,7,factor=10,mu=100,alpha=0.01",
    "bursts": "markov:onset=0.05,recovery=0.2,factor=20",
    "independent": PAPER + ",tasks=independent",
    "additive": "additive",
    "log-normal": "log-normal",
}
"""Delay models by name; the last two are drawn here."""


class Case(NamedTuple):
    """A scheme with its sizes."""

    name: str
    scheme: Scheme


def cases(workers: int, most: float, multiples: Sequence[int], shares: Sequence[int]) -> list[Case]:
    """Return all schemes at all loads and N; a worker does at most `most` shares."""
    found: dict[str, Case] = {}
    for multiple in multiples:
        blocks = multiple * workers
        loads = [s * multiple for s in shares if s <= workers]
        for each in candidates(
            workers,
            blocks,
            loads,
            objectives.create("least-squares"),
            ROWS,
            lambda count: np.ones(count),
            given={},
        ):
            scheme = each.scheme
            if scheme is None or scheme.work_by(SHARE)[-1] > most:
                continue
            if scheme.load_option is not None and scheme.load > loads[-1]:
                continue
            found.setdefault(each.arguments, Case(each.arguments, scheme))
    return list(found.values())


def predict(scheme: Scheme, model: DelayModel) -> float:
    """Return the mean time of an iteration in seconds without messages, as the planner finds it."""
    exact = exact_completion(scheme, model)
    if exact is not None:
        return float(integrate(exact).mean)
    rng = np.random.default_rng(0)
    if isinstance(scheme, DynamicScheme):
        costed = with_messages(scheme, model, rng, PRECISE, Network(), 1)
        return float(costed.ideal.completion.mean())
    return float(outcomes(scheme, model, rng, PRECISE).completion.mean())


def seen(finish: Floats) -> TaskTimes:
    """Return finish times of tasks as measured without any limit."""
    iterations, workers, tasks = finish.shape
    done = np.tile(np.arange(1, tasks + 1), (workers, 1))
    return TaskTimes(finish, done, np.full((iterations, workers), inf))


def glimpsed(model: DelayModel, workers: int, tasks: int = 2) -> TaskTimes:
    """Return what a probe sees: some whole iterations, and short looks at others."""
    finish = model.trace(LOOKS, workers, np.arange(1.0, tasks + 1))
    half = np.sort(finish[:WHOLE, :, -1], axis=1)[:, (workers - 1) // 2]
    limit = GLIMPSE * float(np.median(half))
    until = np.full((LOOKS, workers), inf)
    late = finish[WHOLE:] > limit
    finish[WHOLE:][late] = np.nan
    until[WHOLE:][late.any(axis=(1, 2))] = limit
    return TaskTimes(finish, np.tile(np.arange(1, tasks + 1), (workers, 1)), until)


def shared(times: Floats) -> Recorded:
    """Return the delay model of recorded times of shares."""
    model = Recorded(times)
    model.per = SHARE
    return model


def judge(
    fitted: TaskTimes, test: Recorded, some: Sequence[Case], block: int, progress: str
) -> dict[str, Any]:
    """Compare predictions from some iterations with a replay of others."""
    begin = perf_counter()
    fits = fit(fitted, per=SHARE)
    model = fits[0].model(0)
    count = len(test.times)
    rows: list[dict[str, Any]] = []
    uncoded = next(each for each in some if each.name.startswith("--scheme uncoded"))
    base = completion_times(uncoded.scheme, test, count)
    mean = predict(uncoded.scheme, model)
    if not base.mean() > 0:
        raise SystemExit("a trace without durations")
    for name, scheme in some:
        dynamic = isinstance(scheme, DynamicScheme)
        fewer = min(count, REPLAYED // scheme.blocks) if dynamic else count
        times = completion_times(scheme, test, fewer)
        expected = predict(scheme, model) / mean
        if not (np.isfinite(times).all() and isfinite(expected)):
            continue
        ratio = ratio_of_means(times, base[:fewer], block)
        rows.append(
            {
                "scheme": name.removeprefix("--scheme "),
                "exact": scheme.exact,
                "predicted": expected,
                "replayed": ratio.value,
                "standard_error": ratio.standard_error,
                "off": expected / ratio.value - 1,
                "beyond": max(abs(expected - ratio.value) - ratio.standard_error, 0) / ratio.value,
            }
        )
    return summary(progress, fits, rows, mean / float(base.mean()) - 1, perf_counter() - begin)


def summary(
    name: str, fits: Sequence[Any], rows: list[dict[str, Any]], uncoded: float, seconds: float
) -> dict[str, Any]:
    """Print the figures of a situation and return them."""
    beyond = np.array([row["beyond"] for row in rows])
    worst = rows[int(beyond.argmax())]
    exact = [row for row in rows if row["exact"]]
    chosen = min(exact, key=lambda row: float(row["predicted"]))
    regret = regret_of(exact)
    print(
        f"{name:24s} {len(rows):4d} cases, off {100 * np.median(beyond):4.1f} % (median), "
        f"{100 * beyond.max():5.1f} % (worst: {worst['scheme']}, {worst['predicted']:.3f} for "
        f"{worst['replayed']:.3f}), regret {100 * regret:4.1f} % ({chosen['scheme']}), "
        f"uncoded {100 * uncoded:+.1f} %, {fits[0].text}, {seconds:.1f} s",
        flush=True,
    )
    return {
        "name": name,
        "median": float(np.median(beyond)),
        "worst": float(beyond.max()),
        "regret": regret,
        "uncoded": uncoded,
        "law": fits[0].text,
        "rows": rows,
    }


def regret_of(rows: Sequence[dict[str, Any]]) -> float:
    """Return how much longer the scheme takes that is predicted to be the fastest than the best."""
    chosen = min(rows, key=lambda row: float(row["predicted"]))
    return float(chosen["replayed"]) / min(float(row["replayed"]) for row in rows) - 1


def halves(times: Floats) -> tuple[Floats, Floats, int]:
    """Return every other window, the others, and the length of a window."""
    window = WINDOW if len(times) >= SHORT else 1
    even = (np.arange(len(times)) // window) % 2 == 0
    return times[even], times[~even], window


def traces(files: Sequence[str], tasks: int) -> Iterator[dict[str, Any]]:
    """Judge predictions on traces."""
    for file in files:
        if file == "law":
            times = delays.create(PAPER, 0).trace(2000, 40, np.ones(1))[..., 0]
        else:
            times = np.load(file).astype(np.float64)
        most = inf if times.ndim == 2 else float(times.shape[2])
        some = cases(times.shape[1], most, BLOCKS, SHARES)
        done = np.arange(1.0, tasks + 1)

        def measured(rows: Floats, done: Floats = done) -> TaskTimes:
            model = shared(rows)
            return seen(model.trace(len(rows), rows.shape[1], done))

        one, other, window = halves(times)
        name = Path(file).stem
        yield judge(measured(one), shared(other), some, window, name)
        if len(times) > FIRST:
            few = [each for each in some if each.scheme.blocks <= 2 * times.shape[1]]
            first, rest = times[:FIRST], times[FIRST:]
            yield judge(measured(first), shared(rest), few, WINDOW, f"{name}, forecast")


def truth(name: str, workers: int, seed: int) -> DelayModel:
    """Return a delay model whose parameters may be drawn from the seed."""
    text, rng = LAWS[name], np.random.default_rng(seed + 77)
    if name == "additive":
        shape = (4000, workers)
        overhead = 0.05 + rng.exponential(0.05, shape)
        return Recorded(0.01 + rng.exponential(0.003, shape), overhead=overhead)
    if name == "log-normal":
        speed = np.exp(0.4 * rng.standard_normal(workers))
        return Recorded(speed * (0.02 + rng.exponential(0.01, (4000, workers))))
    return delays.create(text, seed)


def laws(seeds: int, first: int) -> Iterator[dict[str, Any]]:
    """Judge predictions from probes of known delay models."""
    for workers in (8, 20):
        some = cases(workers, inf, (1,), SHARES)
        for name in LAWS:
            rows: list[dict[str, Any]] = []
            mean, begin = [], perf_counter()
            for seed in range(first, first + seeds):
                model = truth(name, workers, seed)
                fits = fit(glimpsed(model, workers), per=SHARE)
                model.per = SHARE
                own = fits[0].model(0)
                base = [predict(some[0].scheme, each) for each in (own, model)]
                mean.append(base[0] / base[1])
                for case in some:
                    found, true = (predict(case.scheme, each) for each in (own, model))
                    if isfinite(found) and isfinite(true):
                        found, true = found / base[0], true / base[1]
                        rows.append(
                            {
                                "scheme": f"{case.name.removeprefix('--scheme ')} seed {seed}",
                                "seed": seed,
                                "exact": case.scheme.exact,
                                "predicted": found,
                                "replayed": true,
                                "beyond": abs(found / true - 1),
                            }
                        )
            regrets = []
            for seed in range(first, first + seeds):
                exact = [row for row in rows if row["seed"] == seed and row["exact"]]
                regrets.append(regret_of(exact))
            result = summary(
                f"{name}, M = {workers}",
                fits,
                rows,
                float(np.mean(mean)) - 1,
                perf_counter() - begin,
            )
            result["regret"] = max(regrets)
            print(f"{'':24s} worst regret {100 * max(regrets):.1f} %, uncoded {np.round(mean, 2)}")
            yield result


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("traces")
    part.add_argument("files", nargs="*", default=["law"])
    part.add_argument("--tasks", type=int, default=2)
    other = parts.add_parser("laws")
    other.add_argument("--seeds", type=int, default=4)
    other.add_argument("--seed", type=int, default=0)
    for each in (part, other):
        each.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.part == "traces":
        found = list(traces(given.files, given.tasks))
    else:
        found = list(laws(given.seeds, given.seed))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
