"""This module reports the convergence bound of stochastic gradient coding for ``theory``."""

from __future__ import annotations

from dataclasses import asdict
from math import inf
from typing import Any

from coded_dgd.schemes.base import ReplicationScheme, Scheme
from coded_dgd.schemes.rules import Count
from coded_dgd.theory.cases import PredictedCase


def add_bound(
    entry: dict[str, Any], case: PredictedCase, epsilon: float, iterations: int | None
) -> None:
    """Add Theorem 1's bound to a prediction, if the theorem covers the scheme.

    The straggler probability p is the one given to the scheme or, by default, the one that its stop
    rule implies.
    """
    from coded_dgd.theory.sgc_bound import theorem1

    scheme = case.scheme
    if scheme is None or not scheme.bounded or case.problem is None:
        return
    probability = _probability(scheme)
    if probability is None:
        entry["notes"].append("give --p to see the bound of Theorem 1 on the convergence")
        return
    assert isinstance(scheme, ReplicationScheme)
    theorem = theorem1(case.problem, scheme, probability, epsilon, iterations)
    described = asdict(theorem)
    if theorem.condition_number == inf:
        described["condition_number"] = None
    entry["theorem1"] = {**described, "applies": theorem.applies}
    entry["notes"] += [
        f"Theorem 1 with p = {theorem.p:g}, epsilon = {epsilon:g}, T = {theorem.iterations}: "
        f"E ||beta_T - beta*||^2 <= {theorem.bound:.4g}"
        + (", all conditions hold" if theorem.applies else ", but not all conditions hold:"),
        *(f"    fails: {each.text}" for each in theorem.conditions if not each.holds),
    ]
    if theorem.corollary2 is not None:
        entry["notes"].append(f"Corollary 2: E ||beta_T - beta*||^2 <= {theorem.corollary2:.4g}")


def _probability(scheme: Scheme) -> float | None:
    if scheme.straggler_probability is not None:
        return scheme.straggler_probability
    if scheme.deadline is not None or not isinstance(scheme.rule, Count):
        return None
    return 1 - scheme.rule.threshold / int(scheme.rule.counted.sum())
