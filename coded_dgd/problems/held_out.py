"""Rows that are held out of training, on which the model is judged while it is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coded_dgd.errors import DataError, shown
from coded_dgd.problems.preparation import Preparation, preparation_of
from coded_dgd.problems.preparation.labels import InWords
from coded_dgd.problems.sources import Reading, Source, open_source
from coded_dgd.problems.sources.base import ArraySource, refuse_unlabelled
from coded_dgd.problems.sources.selected import SelectedRows
from coded_dgd.reading import Trained, fraction_of

PURPOSE = 11
"""Number that keeps these draws apart from others with the same seed."""
NAME = "rows in memory"
"""Text of ``--validation`` in the configuration of a run whose held-out rows are arrays."""
KEPT_BYTES = 2**28
"""Size in bytes up to which prepared rows are kept in memory, rather than read again each time."""


def separate(source: Source, text: str, seed: int, reading: Reading) -> tuple[Source, Source]:
    """Return the rows to train on, and the rows that are held out.

    The rows of a fraction are drawn without replacement by the seed alone, so that they are the
    same for all schemes and numbers of workers.

    Parameters
    ----------
    source : Source
        All rows that ``--data`` names.
    text : str
        A fraction, or the path of a file with the same columns.
    seed : int
        Seed of the draw.
    reading : Reading
        How the data are read; a file is read alike, without their sample weights.

    Raises
    ------
    CodedDGDError
        If the file cannot be read or has other columns or no labels, or no row would be left.
    """
    fraction = fraction_of(text)
    if fraction is None:
        alike = replace(reading, features=None, weights=None, model=_columns(source))
        return source, beside(source, open_source(text, seed, alike))
    held = round(fraction * source.rows)
    if not 0 < held < source.rows:
        raise DataError(
            f"--validation {text} of {source.rows} rows is {held} rows: give another fraction"
        )
    draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSE,)))
    out = np.zeros(source.rows, bool)
    out[draws.choice(source.rows, held, replace=False, shuffle=False)] = True
    return SelectedRows(source, np.flatnonzero(~out)), SelectedRows(source, np.flatnonzero(out))


def beside(source: Source, rows: Source) -> Source:
    """Return held-out rows that are no part of the training data, with their labels as in these.

    Parameters
    ----------
    source : Source
        The training data.
    rows : Source
        Rows with the same columns.

    Raises
    ------
    DataError
        If the rows have other columns, no labels, or a label that is none of the training data.
    """
    _columns(source).refuse_others(rows.name, rows.features, rows.names, rows.labelled)
    refuse_unlabelled(rows, "add the labels, or give --validation a fraction")
    return InWords(rows, source.words)


def _columns(source: Source) -> Trained:
    return Trained(source.features, source.names)


def prepared(rows: Source, training: Source) -> Source:
    """Return rows as they were prepared for training, in memory if they are few.

    Sample weights stay those of the rows.

    Parameters
    ----------
    rows : Source
        Held-out rows, with labels as in the training data.
    training : Source
        Training data with their preparation.

    Raises
    ------
    DataError
        If a row cannot be read, or its label is none of the training data.
    """
    preparation = preparation_of(training)[1]
    found = Preparation(preparation.coding, preparation.scaling).applied(rows)
    if 8 * found.rows * found.features > KEPT_BYTES:
        return found
    try:
        X, y = map(np.concatenate, zip(*found.windows(), strict=True))
    except DataError:
        _refuse_whole_class(rows, preparation)
        raise
    kept = ArraySource(found.name, X, y, "in memory")
    kept.classes, kept.weights = found.classes, found.weights
    return kept


def _refuse_whole_class(rows: Source, preparation: Preparation) -> None:
    """Refuse rows that were drawn from the data and have all rows of a class."""
    if preparation.coding is None or not isinstance(rows, SelectedRows):
        return
    labels = np.unique(np.concatenate([y for _, y in rows.windows()]))
    for label in np.setdiff1d(labels, preparation.coding[0]).tolist():
        name = f"{label:g}" if rows.words is None else shown(rows.words[int(label)])
        raise DataError(
            f"--validation holds out every row of class {name}: give another --seed, or a smaller "
            "fraction"
        )


@dataclass(frozen=True)
class HeldOut:
    """Prepared rows that are held out, and how their figures are used.

    Parameters
    ----------
    source : Source
    every : int
        Iterations between two evaluations.
    patience : int
        Number of evaluations without a lower loss after which training stops; 0 for never.
    """

    source: Source
    every: int
    patience: int

    @property
    def memory(self) -> float:
        """Bytes that the rows take in memory, apart from those of the data themselves."""
        rows = self.source
        return 8.0 * rows.rows * (rows.features + 1) if isinstance(rows, ArraySource) else 0.0
