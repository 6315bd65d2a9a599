"""Columns are centred and scaled for training, and the model is handed back in their own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.preparation.derived import DerivedSource
from coded_dgd.problems.preparation.moments import column_moments
from coded_dgd.problems.sources.base import Source
from coded_dgd.problems.sparse import Entries

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """A scaling turns each row x into [(x - means) / scales, 1]; it has plain values only.

    Parameters
    ----------
    means : tuple of float, optional
        Means that are subtracted from the columns; None for none.
    scales : tuple of float, optional
        Positive divisors of the columns; None for one.
    intercept : bool
        Whether a column of ones is appended.
    """

    means: tuple[float, ...] | None = None
    scales: tuple[float, ...] | None = None
    intercept: bool = False

    @classmethod
    def of(cls, source: Source, intercept: bool, standardize: bool) -> Scaling | None:
        """Return the scaling for training on these data; None if nothing is to be changed.

        With an intercept, dense columns are centred: this changes no model, as the intercept makes
        up for it, and otherwise most digits of a gradient would belong to the means. Sparse columns
        are never centred, since they would become dense. Without an intercept centring would change
        the model.

        Parameters
        ----------
        standardize : bool
            Whether columns are divided by their standard deviations; constant ones are not.
        """
        centred = intercept and source.density is None
        means = scales = None
        if centred or standardize:
            mean, deviation = column_moments(source)
            if centred:
                means = tuple(mean.tolist())
            if standardize:
                scales = tuple(np.where(deviation > 0, deviation, 1.0).tolist())
        return cls(means, scales, intercept) if intercept or standardize else None

    def restored(self, parameters: Floats, outputs: int) -> Floats:
        """Return the parameters of the same linear model for columns in their own units.

        Parameters
        ----------
        parameters : (K l,) array
            Parameters for scaled columns, where l counts the column of ones.
        outputs : int
            Number K of outputs.
        """
        model = np.array(parameters, np.float64).reshape(outputs, -1)
        coef = model[:, :-1] if self.intercept else model
        if self.scales is not None:
            coef /= self.scales
        if self.means is not None:
            model[:, -1] -= coef @ np.array(self.means)
        return model.ravel()

    def applied(self, parameters: Floats, outputs: int) -> Floats:
        """Return the parameters of the same linear model for scaled columns.

        It is the reverse of `restored`, and the arguments are of the same shapes.
        """
        model = np.array(parameters, np.float64).reshape(outputs, -1)
        coef = model[:, :-1] if self.intercept else model
        if self.means is not None:
            model[:, -1] += coef @ np.array(self.means)
        if self.scales is not None:
            coef *= self.scales
        return model.ravel()


class ScaledColumns(DerivedSource):
    """This source has the columns of another source after a scaling."""

    def __init__(self, source: Source, scaling: Scaling) -> None:
        super().__init__(source, source.features + scaling.intercept)
        self._means, self._scales = (
            None if each is None else np.array(each) for each in (scaling.means, scaling.scales)
        )
        self.intercept = scaling.intercept
        if self._means is not None or self._scales is not None:
            self.dtype = np.dtype(np.float64)
        if self.density is not None and self.intercept:
            self.density = (self.density * source.features + 1) / self.features

    def feature_title(self, feature: int) -> str:
        if self.intercept and feature == self.features - 1:
            return "the intercept"
        return super().feature_title(feature)

    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        if self._means is not None:
            X -= self._means
        if self._scales is not None:
            X /= self._scales
        return np.column_stack([X, np.ones(len(X))]) if self.intercept else X, y

    def changed_entries(self, entries: Entries) -> Entries:
        starts, columns, values, y = entries
        if self._scales is not None:
            values = values / self._scales[columns]
        if self.intercept:
            ends = starts[1:]
            columns = np.insert(columns, ends, self.features - 1)
            values = np.insert(values, ends, 1.0)
            starts = starts + np.arange(len(starts), dtype=np.int64)
        return starts, columns, values, y
