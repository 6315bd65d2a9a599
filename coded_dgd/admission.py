"""Data are tried and prepared for training as a configuration says."""

from __future__ import annotations

from coded_dgd.config import RunConfig
from coded_dgd.problems import trial
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.sources import Source
from coded_dgd.schemes import remedies


def admit(config: RunConfig, objective: Objective, source: Source) -> Source:
    """Return the data as the objective trains on them; see `problems.trial.admit`."""
    return trial.admit(
        objective,
        source,
        remedies.NOT_QUADRATIC,
        intercept=config.intercept,
        standardize=config.standardize,
    )
