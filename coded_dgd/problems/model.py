"""A model is what a training hands back: parameters in the units of the data, and their meaning.

Its two files are ``model.npz`` with the numbers and ``model.json`` with all else. Reading them
executes nothing: neither pickles nor names of classes are followed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd._version import __version__
from coded_dgd.errors import DataError
from coded_dgd.files import replacing
from coded_dgd.kinds import misfit
from coded_dgd.problems.objectives import follows_slope
from coded_dgd.problems.preparation import preparation_of
from coded_dgd.problems.preparation.scaling import Scaling
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import Source
from coded_dgd.reading import Trained

Floats = NDArray[np.float64]

NUMBERS, TEXTS = "model.npz", "model.json"
"""Names of the two files."""
FORMAT = 1
"""Version of the format of the files."""


@dataclass(frozen=True)
class Model:
    """A trained model, whose predictions need nothing else.

    Parameters
    ----------
    parameters : (p,) array
        Parameters. If the model is linear they are for columns in the units of the data: for each
        output the coefficients of the columns and then, if there is one, the intercept.
    coef : array
        Coefficients in the shape of scikit-learn: (l,) for a regression, (1, l) for two classes
        and one output, (K, l) for K outputs. For a model that is not linear, `parameters`.
    intercept : array
        Intercept of each output, of shape (K,) if `coef` is a matrix, else (); 0 without one.
    classes : (C,) array, optional
        Labels of the classes, numbers or texts, ascending; None for a regression.
    means, scales : (l,) array, optional
        What columns were reduced by, and then divided by, in training; None for 0 and 1. A model
        that is not linear has to be given columns changed in this way.
    linear : bool
        Whether the model is linear in X.
    objective : str
        Text of ``--objective``.
    features : int
        Number l of columns of X.
    names : tuple of str, optional
        Names of the columns.
    dtype : str
        Type with which workers computed.
    version : str
        Version of coded_dgd that trained the model.
    """

    parameters: Floats
    coef: Floats
    intercept: Floats
    classes: NDArray[Any] | None
    means: Floats | None
    scales: Floats | None
    linear: bool
    objective: str
    features: int
    names: tuple[str, ...] | None
    dtype: str
    version: str = __version__

    @classmethod
    def of(cls, problem: Problem, beta: Floats, objective: str, dtype: str) -> Model:
        """Return the model of the parameters `beta` with which a problem was trained.

        Parameters
        ----------
        beta : (p,) array
            Parameters for prepared data.
        objective, dtype : str
            Texts of the options.
        """
        source, own = problem.source, problem.objective
        raw, preparation = preparation_of(source)
        scaling, classes = preparation.scaling or Scaling(), source.class_labels
        parameters = coef = beta
        intercept = np.array(0.0)
        if linear := follows_slope(own):
            parameters = scaling.restored(beta, own.outputs)
            rows = parameters.reshape(own.outputs, -1)
            coef = rows[:, : raw.features]
            intercept = rows[:, -1] if source.intercept else np.zeros(own.outputs)
            if own.outputs == 1 and classes is None:
                coef, intercept = coef[0], intercept[0, ...]
        return cls(
            parameters,
            coef,
            intercept,
            classes,
            _optional(scaling.means),
            _optional(scaling.scales),
            linear,
            objective,
            raw.features,
            raw.names,
            dtype,
        )

    @property
    def has_intercept(self) -> bool:
        """Whether the last parameter of each output is its intercept."""
        return self.linear and len(self.parameters) > self.coef.size

    @property
    def columns(self) -> Trained:
        """Number and names of the columns, for reading data with or without labels."""
        return Trained(self.features, self.names)

    def refuse_other_columns(self, source: Source) -> None:
        """Raise a DataError if data have other columns than the model was trained on."""
        self.columns.refuse_others(source.name, source.features, source.names, source.labelled)

    def write(self, folder: Path) -> None:
        """Write the two files, each atomically.

        Raises
        ------
        StorageError
            If the disk is full or fails.
        """
        arrays = {name: getattr(self, name) for name in (*NEEDED, *OPTIONAL)}
        texts = {name: getattr(self, name) for name in (*PLAIN, "names")}
        with replacing(folder / NUMBERS) as file:
            np.savez(file, **{name: each for name, each in arrays.items() if each is not None})
        with replacing(folder / TEXTS) as file:
            file.write(json.dumps({"format": FORMAT, **texts}, indent=1).encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> Model:
        """Read a model from the folder of a run, or from one of the two files.

        Raises
        ------
        DataError
            If there is no model, or its files are damaged or do not belong together.
        """
        mend = "name the folder of a run that has ended"
        try:
            folder = path if path.is_dir() else path.parent
            texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
            if (known := texts.pop("format")) != FORMAT:
                raise DataError(
                    f"{path}: the model has format {known}, and this version reads {FORMAT}: use "
                    "the version that wrote it"
                )
            with np.load(folder / NUMBERS, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            names = texts.pop("names")
            values = {**dict.fromkeys(OPTIONAL), **arrays, **texts}
            found = cls(names=None if names is None else tuple(names), **values)
            sound = found._is_sound()
        except FileNotFoundError:
            raise DataError(f"{path} has no {TEXTS} and {NUMBERS}: {mend}") from None
        except OSError as error:
            raise DataError(
                f"{path}: {error.strerror or 'the model cannot be read'}: {mend}"
            ) from None
        except DataError:
            raise
        except Exception:  # json, numpy and zipfile raise many types if a file is damaged
            sound = False
        if not sound:
            raise DataError(f"{path}: {TEXTS} and {NUMBERS} are damaged, or of two models: {mend}")
        return found

    def _is_sound(self) -> bool:
        """Return whether all fields have the right types and shapes, and numbers are finite."""
        texts = {name: getattr(self, name) for name in PLAIN}
        arrays = {name: getattr(self, name) for name in (*NEEDED, *OPTIONAL)}
        columns, names, K = (self.features,), self.names, max(1, self.coef.size // self.features)
        return (
            misfit(texts, Model) is None
            and (names is None or (len(names) == columns[0] and {*map(type, names)} == {str}))
            and all(
                each is None or _is_finite(each) or (name == "classes" and each.dtype.kind == "U")
                for name, each in arrays.items()
            )
            and self.parameters.ndim == 1
            and all(each is None or each.shape == columns for each in (self.means, self.scales))
            and (self.scales is None or bool((self.scales > 0).all()))
            and (self.classes is None or bool((self.classes[1:] > self.classes[:-1]).all()))
            and self.intercept.shape == self.coef.shape[:-1]
            and (
                self.coef.shape in (columns, (K, *columns))
                and len(self.parameters) in (self.coef.size, self.coef.size + K)
                if self.linear
                else self.coef.shape == self.parameters.shape
            )
        )


PLAIN = ("linear", "objective", "features", "dtype", "version")
"""Fields with plain values, which are in the file of texts with the names of the columns."""
NEEDED, OPTIONAL = ("parameters", "coef", "intercept"), ("classes", "means", "scales")
"""Fields that are arrays."""


def _is_finite(array: Floats) -> bool:
    return array.dtype == np.float64 and bool(np.isfinite(array).all())


def _optional(values: tuple[float, ...] | None) -> Floats | None:
    return None if values is None else np.array(values)
