"""Data are prepared for training: labels coded, columns scaled, rows weighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.preparation.derived import DerivedSource
from coded_dgd.problems.preparation.labels import Coding, EncodedLabels, encoded
from coded_dgd.problems.preparation.scaling import ScaledColumns, Scaling
from coded_dgd.problems.preparation.weighting import WeightedRows
from coded_dgd.problems.sources.base import Floats, Source
from coded_dgd.problems.sparse import Entries


@dataclass(frozen=True)
class Preparation:
    """A preparation says what is done to data before training; it has plain values only.

    Parameters
    ----------
    coding : Coding, optional
        Coding of the labels if these name classes.
    scaling : Scaling, optional
        Change of the columns.
    weighted : bool
        Whether rows and labels are multiplied by the square roots of sample weights.
    """

    coding: Coding | None = None
    scaling: Scaling | None = None
    weighted: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preparation:
        """Return the preparation of plain values from JSON."""
        scaling = values["scaling"]
        return cls(**{**values, "scaling": None if scaling is None else Scaling(**scaling)})

    def applied(self, source: Source) -> Source:
        """Return the data after the preparation."""
        if self.coding is not None:
            source = EncodedLabels(source, self.coding)
        if self.scaling is not None:
            source = ScaledColumns(source, self.scaling)
        return WeightedRows(source) if self.weighted else source


class PreparedSource(DerivedSource):
    """This source has prepared data, and knows the data before and their preparation."""

    def __init__(self, raw: Source, preparation: Preparation) -> None:
        super().__init__(preparation.applied(raw))
        self.raw, self.preparation = raw, preparation

    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        return X, y

    def changed_entries(self, entries: Entries) -> Entries:
        return entries


def prepare(
    source: Source, objective: Objective, intercept: bool = False, standardize: bool = False
) -> Source:
    """Return the data with which the objective trains: the source itself if nothing is changed.

    Parameters
    ----------
    intercept : bool
        Whether a column of ones is appended.
    standardize : bool
        Whether columns are divided by their standard deviations.

    Raises
    ------
    DataError
        If the labels are invalid for the objective.
    UsageError
        If the objective is no loss of X beta and is to have an intercept, or cannot have weights.
    """
    if isinstance(source, PreparedSource):
        return source if source.classes is None else encoded(source, objective)
    name = type(objective).__name__
    if intercept and not follows_slope(objective):
        raise UsageError(
            f"--intercept adds a column of ones to losses of X beta, and objective {name} is none: "
            "give its model a bias of its own, and leave --intercept out"
        )
    weighted = source.weights is not None and is_least_squares(objective)
    if weighted and type(objective).scores is not Objective.scores:
        raise UsageError(
            f"objective {name} is least squares with scores of its own, which would be those of "
            "weighted rows: leave sample weights out, or use --objective least-squares"
        )
    labelled = encoded(source, objective)
    preparation = Preparation(
        labelled.coding if isinstance(labelled, EncodedLabels) else None,
        Scaling.of(source, intercept, standardize),
        weighted,
    )
    return source if preparation == Preparation() else PreparedSource(source, preparation)


def preparation_of(source: Source) -> tuple[Source, Preparation]:
    """Return the data before their preparation, and the preparation."""
    if isinstance(source, PreparedSource):
        return source.raw, source.preparation
    return source, Preparation()
