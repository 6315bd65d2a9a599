"""Is what the planner recommends the best, and does it take what it predicts?

python benchmarks/planner.py [--ranks 11] [--situations none,paper] [--repetitions 8] [--job 1000]
    [--seed 0] [--json FILE]
python benchmarks/planner.py --ranks 9 --situations fresh --repetitions 3 --seed SEED

Six situations, or with `fresh` six kinds of them, whose parameters are drawn from the seed. In
each, one launch probes the workers as `plan` does, plans, and then trains with all that the plan
has ranked first of each scheme with exact gradients and, unless the situation is a fresh one, with
other loads of the same schemes. They take turns, in an order that is drawn anew for each
repetition: at least `BURST` iterations and `TURN` seconds, of which the first iteration does not
count, as its data are not in the caches. Before, what is left of another scheme is waited for,
which its own job would not meet either. A job is the start of a scheme and `--job` iterations.

Some dozens of iterations of a delay model may well be slow or fast ones, and then all schemes meet
the same luck. How much that was is known: the same draws in virtual time, where messages take
nothing, give an ideal of these iterations, and the delay model that is injected the mean of that
ideal over all draws. The difference of the two is added to what was measured ("fair"). It is known
before anything is measured or predicted, and on average it is 0, so that it takes away chance and
nothing else (a control variate). The planner knows neither: it has a law that was fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BURST, TURN = 8, 0.3
"""Iterations of a scheme in each repetition, and seconds that they take, at least."""
QUIET, LONGEST = 0.2, 3.0
"""Seconds without a message after which nothing is left of another scheme, and at most."""
REPLAYS = 2000
"""Iterations of a dynamic scheme from which the mean of its ideal is found."""
SMALL = "synthetic:rows=1000,features=100"


class Situation(NamedTuple):
    """Delays, data, and how slow the link to the master is."""

    delay: str
    data: str = SMALL
    bandwidth: float = inf
    """Bytes per second."""


SITUATIONS = {
    "none": Situation("none", "synthetic:rows=20000,features=200"),
    "paper": Situation("shifted-exponential:mu=10,alpha=0.01"),
    "heavy": Situation("pareto:shape=1.5,scale=0.02"),
    "two-slow": Situation("persistent:ranks=3,7,factor=10,mu=100,alpha=0.01"),
    "bursts": Situation("markov:onset=0.05,recovery=0.2,factor=20"),
    "slow-link": Situation(
        "shifted-exponential:mu=20,alpha=0.02", "synthetic:rows=1000,features=2000", 2e6
    ),
}


FRESH = ("none", "paper", "additive", "lasting", "bursts", "heavy")


def situation_of(name: str, seed: int) -> Situation:
    """A situation by its name, or one of a kind, `fresh-KIND`, as drawn from the seed."""
    kind = name.removeprefix("fresh-")
    if kind == name:
        return SITUATIONS[name]
    rng = np.random.default_rng([seed, FRESH.index(kind)])

    def within(low: float, high: float) -> str:
        return f"{np.exp(rng.uniform(np.log(low), np.log(high))):.4g}"

    rows, features = rng.integers(10_000, 40_000), rng.integers(100, 300)
    delay = {
        "none": "none",
        "paper": f"shifted-exponential:mu={within(10, 80)},alpha=0.01",
        "additive": f"additive:overhead={within(0.01, 0.04)},overhead_mu={within(30, 100)},"
        f"alpha={within(0.01, 0.03)},mu={within(100, 1000)}",
        "lasting": f"additive:overhead={within(0.001, 0.01)},overhead_mu=1000,"
        f"alpha={within(0.02, 0.04)},mu={within(300, 3000)},spread=0.5",
        "bursts": f"markov:onset={within(0.02, 0.1)},recovery={within(0.1, 0.4)},"
        f"factor={within(4, 20)},mu={within(100, 1000)},alpha=0.01",
        "heavy": f"pareto:shape={within(1.3, 2)},scale={within(0.01, 0.03)}",
    }[kind]
    return Situation(
        delay, f"synthetic:rows={rows},features={features}" if kind == "none" else SMALL
    )


def slow_down(transport: Any, bandwidth: float) -> None:
    """Let the master's port take in one message after the other, at this speed."""
    receive = transport.receive

    def slow(until: float = inf, enough: int = 1) -> Any:
        batch = receive(until, enough)
        for number, length in enumerate(batch.lengths):
            sleep(8 * length / bandwidth)
            batch.times[number] = transport.clock()
        return batch

    transport.receive = slow


def settle(transport: Any) -> None:
    """Take in what is still on its way from another scheme."""
    end = transport.clock() + LONGEST
    quiet = transport.clock() + QUIET
    while transport.clock() < min(quiet, end):
        if batch := transport.receive(quiet):
            transport.payloads.free(batch.rows)
            quiet = transport.clock() + QUIET


def others(plan: Any) -> Iterable[Any]:
    """Other loads of the schemes that the plan has ranked: few, half, and all of M blocks."""
    loads = {2, plan.workers // 2, plan.workers}
    names = {entry.candidate.name for entry in plan.finalists}
    for entry in plan.entries:
        scheme = entry.candidate.scheme
        if entry.refusal or scheme is None or not scheme.exact or entry in plan.finalists:
            continue
        if scheme.blocks != plan.workers:
            continue
        if entry.candidate.name in names and scheme.load in loads:
            yield entry


def take_turn(trainer: Any) -> range:
    """Run iterations of one scheme; return the numbers of those that count."""
    begin, first = monotonic(), trainer.iteration
    while trainer.iteration < first + BURST or monotonic() < begin + TURN:
        trainer.step()
    return range(first + 1, trainer.iteration)


def judged(trainer: Any, turns: Sequence[range]) -> dict[str, Any]:
    """What iterations took, in seconds, and what they would have taken without luck."""
    counted = [iteration for turn in turns for iteration in turn]
    seconds = np.array(trainer.stage.spans)[counted]
    ideal, expected, unsure = luck(trainer.stage.scheme, trainer.setup.delay, counted)
    ends = np.cumsum([len(turn) for turn in turns])[:-1]
    beyond = np.array([each.mean() for each in np.split(seconds - ideal, ends)])
    error = beyond.std(ddof=1) / np.sqrt(len(beyond))
    parts = ("completion_time", "weights_time", "decode_time", "compute_time", "update_time")
    return {
        "measured": float(seconds.mean()),
        "ideal": float(ideal.mean()),
        "expected_ideal": expected,
        "fair": expected + float((seconds - ideal).mean()),
        "standard_error": float(np.hypot(error, unsure)),
        "parts": {
            part: float(np.mean([getattr(trainer.log[each], part) for each in counted]))
            for part in parts
        },
    }


def luck(scheme: Any, delay: Any, iterations: Sequence[int]) -> tuple[Floats, float, float]:
    """Ideal of some iterations of a run, its mean over all draws, and the standard error of that.

    In seconds, and without messages and without the guard.
    """
    from coded_dgd.theory import predict
    from coded_dgd.theory.replay import completion_times

    if not delay.injects:
        return np.zeros(len(iterations)), 0.0, 0.0
    ideal = completion_times(scheme, delay, max(iterations) + 1)[list(iterations)]
    found = predict(scheme, delay, realisations=REPLAYS if scheme.dynamic else None)
    return ideal, found.mean, found.standard_error or 0.0


def inside(name: str, repetitions: int, job: int, seed: int) -> dict[str, Any]:
    """Rank 0 of one situation."""
    from coded_dgd import delays
    from coded_dgd.advising import measuring
    from coded_dgd.cli.plan import PROBE, PROBE_SECONDS
    from coded_dgd.config import RunConfig
    from coded_dgd.engine.job import stopping
    from coded_dgd.engine.setup import prepare
    from coded_dgd.engine.trainer import Trainer
    from coded_dgd.engine.transports.mpi.master import master
    from coded_dgd.planner.judging import Limits
    from coded_dgd.planner.planning import make_plan
    from coded_dgd.planner.record import describe, to_json

    situation, transport = situation_of(name, seed), master()
    if situation.bandwidth < inf:
        slow_down(transport, situation.bandwidth)
    config = RunConfig(
        scheme="auto", delay=situation.delay, data=situation.data, iterations=job, seed=seed
    )
    with stopping(transport):
        begin = monotonic()
        source, data_bytes = measuring.open_data(config)
        measured = measuring.measure(config, transport, source, PROBE, PROBE_SECONDS)
        probed = monotonic()
        plan = make_plan(
            measured,
            config,
            source,
            transport.workers,
            Limits(exact=True),
            data_bytes=data_bytes,
            injected=delays.create(config.delay, 0).injects,
        )
        planned = monotonic()
        rows, trainers = [], []
        able = [each for each in plan.finalists if not each.refusal]
        for entry in [*able, *(() if name.startswith("fresh-") else others(plan))]:
            setup = prepare(plan.configured(entry), transport.workers)
            trainer = Trainer(setup, transport, setup.problem(source))
            started = monotonic()
            trainer.start()
            trainers.append(trainer)
            rows.append(
                {
                    "scheme": entry.candidate.arguments.removeprefix("--scheme "),
                    "predicted": entry.iteration.total,
                    "uncertainty": entry.uncertainty,
                    "predicted_parts": describe(entry),
                    "predicted_job": entry.job,
                    "start": monotonic() - started,
                }
            )
        turns: list[list[range]] = [[] for _ in trainers]
        rng = np.random.default_rng(seed)
        for _ in range(repetitions):
            for k in rng.permutation(len(trainers)):
                settle(transport)
                turns[k].append(take_turn(trainers[k]))
    for row, trainer, counted in zip(rows, trainers, turns, strict=True):
        row |= judged(trainer, counted)
        row["measured_job"] = row["start"] + job * row["fair"]
    return {
        "situation": name,
        "probe_seconds": probed - begin,
        "plan_seconds": planned - probed,
        "finalists": len(able),
        "rows": rows,
        "plan": to_json(plan),
    }


def table(found: dict[str, Any]) -> tuple[str, dict[str, float]]:
    """Format one situation, and sum it up."""
    rows = found["rows"]
    lines = [
        f"\n{found['situation']}: {found['plan']['inputs']['config']['delay']}; "
        f"fitted {found['plan']['delays'][0]['delay']}; "
        f"probe {found['probe_seconds']:.1f} s, plan {found['plan_seconds']:.1f} s",
        found["plan"]["verdict"],
        "| scheme | predicted s | +- | measured s | fair s | +- | off | job predicted s | fair s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: row["measured_job"]):
        mark = " (recommended)" if row is rows[0] else ""
        lines.append(
            f"| `{row['scheme']}`{mark} | {row['predicted']:.4f} | {row['uncertainty']:.4f} | "
            f"{row['measured']:.4f} | {row['fair']:.4f} | {row['standard_error']:.4f} | "
            f"{row['predicted'] / row['fair'] - 1:+.1%} | "
            f"{row['predicted_job']:.1f} | {row['measured_job']:.1f} |"
        )
    best = min(row["measured_job"] for row in rows)
    ranked = rows[: found["finalists"]]
    off = [row["predicted_job"] / row["measured_job"] - 1 for row in ranked]
    recommended = ranked[0]
    return "\n".join(lines), {
        "over best": recommended["measured_job"] / best - 1,
        "recommended off": off[0],
        "error": recommended["standard_error"] / recommended["fair"],
        "median off": float(np.median(np.abs(off))),
        "worst off": float(np.max(np.abs(off))),
    }


def main() -> None:
    """Run the situations, each in a launch of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=11)
    parser.add_argument("--situations", default=",".join(SITUATIONS))
    parser.add_argument("--repetitions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--job", type=int, default=1000)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        from coded_dgd.engine.transports.mpi.library import world

        if world().rank > 0:
            from coded_dgd.engine.serve import serve_and_exit

            serve_and_exit()
        from coded_dgd.engine.transports.mpi.master import master

        print(
            json.dumps(
                inside(arguments.inside, arguments.repetitions, arguments.job, arguments.seed)
            )
        )
        master().end(0)
        return
    from common import command, mpiexec

    everything = []
    summary = [
        "| situation | recommended | over the best | job off | +- | all ranked, median | worst |",
        "|---|---|---|---|---|---|---|",
    ]
    fresh = ",".join(f"fresh-{kind}" for kind in FRESH)
    for name in (fresh if arguments.situations == "fresh" else arguments.situations).split(","):
        done = command(
            mpiexec(), "-n", str(arguments.ranks), sys.executable, __file__, "--inside", name,
            "--repetitions", str(arguments.repetitions), "--job", str(arguments.job),
            "--seed", str(arguments.seed),
            cwd=Path.cwd(), timeout=3600, OPENBLAS_NUM_THREADS="1",
        )  # fmt: skip
        if done.code:
            raise SystemExit(f"{name}: exit code {done.code}: {done.err}")
        found = done.json
        everything.append(found)
        text, figures = table(found)
        print(text, flush=True)
        summary.append(
            f"| {name} | `{found['rows'][0]['scheme']}` | {figures['over best']:+.1%} | "
            f"{figures['recommended off']:+.1%} | {figures['error']:.1%} | "
            f"{figures['median off']:.1%} | "
            f"{figures['worst off']:.1%} |"
        )
    print("\n" + "\n".join(summary))
    if arguments.json:
        arguments.json.write_text(json.dumps(everything) + "\n")


if __name__ == "__main__":
    main()
