"""Number of iterations to a target: conjugate gradients and L-BFGS with several schemes.

python benchmarks/optimizers.py a9a.svm [--ridge 1] [--seeds 10] [--workers 40]

In virtual time, with the default delays of every seed: the arithmetic of encoding, tasks and
decoding is the same as on real ranks. A target is ||gradient|| / ||first gradient||, and counts as
reached where the true gradient at the model returned is there, too. The file has two classes. For
L-BFGS the evaluations of scipy's L-BFGS-B are counted up to the same targets.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import minimize

from coded_dgd.config import RunConfig
from coded_dgd.engine import job, setup
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source, open_source

LEAST_SQUARES = [
    ("uc-mmc", {"load": 10}, "cg"),
    ("lcc-mmc", {"load": 3}, "cg"),
    ("lcc-mmc", {"load": 10}, "cg"),
    ("mds-mmc", {"load": 10}, "cg"),
]
OF_SQUARES, OF_LOGISTIC = [1e-3, 1e-6], [1e-4, 1e-6]
"""Targets for each objective."""
LOGISTIC = [("uc-mmc", {"load": 10}, "lbfgs"), ("gc", {"load": 3}, "lbfgs")]


def iterations_to(target: float, config: RunConfig, source: Source) -> tuple[int, float]:
    """Run in virtual time; return the number of iterations and the true relative gradient."""
    prepared = setup.prepare(config, None)
    transport = SimulatedTransport(prepared.scheme.workers)
    outcome = job.run(prepared, transport, problem=prepared.problem(source))
    if outcome.status != "converged":
        raise SystemExit(f"{config.scheme}: {target:g} is not reached")
    problem = outcome.start.problem
    first = np.linalg.norm(problem.gradient(problem.start(0)))
    return len(outcome.log), float(np.linalg.norm(problem.gradient(outcome.beta)) / first)


def evaluations_of_scipy(problem: Problem, targets: list[float]) -> list[int]:
    """Return the number of gradients that L-BFGS-B of scipy evaluates up to each target."""
    norms: list[float] = []

    def evaluate(beta: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = problem.gradient(beta)
        norms.append(float(np.linalg.norm(gradient)))
        return problem.loss(beta), gradient

    options = {"maxcor": 10, "ftol": 0, "gtol": 0, "maxiter": 1000}
    minimize(evaluate, problem.start(0), jac=True, method="L-BFGS-B", options=options)
    relative = np.array(norms) / norms[0]
    return [int(np.argmax(relative <= target)) + 1 for target in targets]


def table(
    cases: list[tuple[str, dict[str, int], str]],
    objective: str,
    targets: list[float],
    arguments: argparse.Namespace,
    source: Source,
) -> None:
    """Print a row for each scheme and target."""
    print(f"{'scheme':<10}{'r':>3}  {'optimizer':<10}{'target':>8}{'iterations':>16}{'truly':>10}")
    for scheme, sizes, optimizer in cases:
        for target in targets:
            found = [
                iterations_to(
                    target,
                    RunConfig(
                        scheme=scheme,
                        objective=objective,
                        optimizer=optimizer,
                        ridge=arguments.ridge,
                        stop_at=target,
                        iterations=1000,
                        workers=arguments.workers,
                        transport="simulated",
                        seed=seed,
                        **sizes,
                    ),
                    source,
                )
                for seed in range(arguments.seeds)
            ]
            counts, truly = zip(*found, strict=True)
            span = f"{min(counts)} to {max(counts)}"
            print(
                f"{scheme:<10}{sizes['load']:>3}  {optimizer:<10}{target:>8.0e}{span:>16}"
                f"{max(truly):>10.1e}",
                flush=True,
            )


def main() -> None:
    """Print the tables of both objectives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--ridge", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=40)
    arguments = parser.parse_args()
    source = open_source(arguments.data, 0)
    print(f"least squares, ridge {arguments.ridge:g}, {arguments.seeds} seeds")
    table(LEAST_SQUARES, "least-squares", OF_SQUARES, arguments, source)
    print(f"\nlogistic, ridge {arguments.ridge:g}, {arguments.seeds} seeds")
    table(LOGISTIC, "logistic", OF_LOGISTIC, arguments, source)
    config = RunConfig(
        "uncoded", objective="logistic", ridge=arguments.ridge, transport="simulated"
    )
    problem = setup.prepare(config, None).problem(source)
    counts = evaluations_of_scipy(problem, OF_LOGISTIC)
    for target, count in zip(OF_LOGISTIC, counts, strict=True):
        print(f"{'scipy':<10}{'':>3}  {'L-BFGS-B':<10}{target:>8.0e}{count:>16}")


if __name__ == "__main__":
    main()
