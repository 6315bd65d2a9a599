"""Labels of a classifier name classes, which training replaces by numbers."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError, shown
from coded_dgd.problems import evaluation
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.preparation.derived import DerivedSource
from coded_dgd.problems.sources.base import Source
from coded_dgd.problems.sparse import Entries

Floats = NDArray[np.float64]
Coding = tuple[tuple[float, ...], tuple[float, ...]]
"""Classes, ascending, and the number that stands for each class."""

SHOWN = 3
"""Number of distinct labels that an error lists."""


class EncodedLabels(DerivedSource):
    """This source replaces each class in the labels of another source by a number.

    Parameters
    ----------
    source : Source
    coding : Coding
    """

    def __init__(self, source: Source, coding: Coding) -> None:
        super().__init__(source)
        self.coding = coding
        self._classes, self._codes = map(np.array, coding)
        self.classes = coding[0]

    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        return X, self._encoded(y)

    def changed_entries(self, entries: Entries) -> Entries:
        return (*entries[:3], self._encoded(entries[3]))

    def _encoded(self, y: Floats) -> Floats:
        places = np.minimum(np.searchsorted(self._classes, y), len(self._classes) - 1)
        unknown = y[self._classes[places] != y]
        if len(unknown):
            raise DataError(
                f"{self.name}: the label {_listed(self, unknown[:1])} is none of the classes "
                f"{_listed(self, self._classes)} of the training data: correct it, or leave the "
                "row out"
            )
        encoded: Floats = self._codes[places]
        return encoded


class InWords(DerivedSource):
    """This source numbers the texts of another source's labels as the training data do.

    Parameters
    ----------
    source : Source
    words : tuple of str, optional
        Texts of the labels of the training data, ascending; None if these are numbers.

    Raises
    ------
    DataError
        If labels are text in one of the two and numbers in the other, or a text is none of these.
    """

    def __init__(self, source: Source, words: tuple[str, ...] | None) -> None:
        super().__init__(source)
        if (words is None) != (source.words is None):
            here, there = ("numbers", "text") if source.words is None else ("text", "numbers")
            raise DataError(
                f"{source.name}: the labels are {here}, and those of the training data {there}: "
                "write them alike"
            )
        places = {word: float(place) for place, word in enumerate(words or ())}
        for word in source.words or ():
            if word not in places:
                known = ", ".join(map(shown, (words or ())[:SHOWN]))
                raise DataError(
                    f"{source.name}: the label {shown(word)} is none of the classes {known}"
                    f"{', ...' * (len(places) > SHOWN)} of the training data: correct it, or leave "
                    "the row out"
                )
        self.words = words
        self._places = np.array([places[word] for word in source.words or ()])

    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        return X, self._numbered(y)

    def changed_entries(self, entries: Entries) -> Entries:
        return (*entries[:3], self._numbered(entries[3]))

    def _numbered(self, y: Floats) -> Floats:
        numbered: Floats = y if self.words is None else self._places[y.astype(int)]
        return numbered


def encoded(source: Source, objective: Objective) -> Source:
    """Return the data with the labels with which the objective trains.

    If the objective checks or encodes labels, all labels are read once.

    Raises
    ------
    DataError
        If the labels are invalid for the objective; the message describes valid ones.
    """
    own = type(objective)
    checks = own.check_labels is not Objective.check_labels
    encodes = own.encode_labels is not Objective.encode_labels
    if source.words is not None and not encodes:
        _refuse_words(source, objective)
    if not (checks or encodes):
        return source
    if source.classes is not None:
        evaluation.learn_classes(objective, np.array(source.classes))
        return source
    classes, counted = _distinct(source)
    for each, which in ((classes, ""), (counted, " of the rows with a weight above 0")):
        if wanted := evaluation.label_fault(objective, each):
            raise DataError(
                f"{source.name}: the labels{which} have to be {wanted}, {_found(source, each)}"
            )
    codes = evaluation.label_codes(objective, classes)
    if codes is None:
        if source.words is not None:
            _refuse_words(source, objective)
        return source
    evaluation.learn_classes(objective, classes)
    return EncodedLabels(source, (tuple(classes.tolist()), tuple(codes.tolist())))


def _distinct(source: Source) -> tuple[Floats, Floats]:
    """Return the distinct labels, and those of rows whose sample weight is not 0, ascending."""
    every, counted, start = [], [], 0
    for _, y in source.windows():
        every.append(np.unique(y))
        if source.weights is not None:
            counted.append(np.unique(y[source.weights[start : start + len(y)] > 0]))
        start += len(y)
    classes = np.unique(np.concatenate(every))
    return classes, np.unique(np.concatenate(counted)) if counted else classes


def parameters(source: Source, objective: Objective) -> int:
    """Return the number of parameters of an objective's model for these data.

    Raises
    ------
    DataError
        If the labels are invalid for the objective.
    UsageError
        If the objective does not return a valid number of parameters.
    """
    return evaluation.size(objective, encoded(source, objective).features)


def _refuse_words(source: Source, objective: Objective) -> NoReturn:
    places = np.arange(float(len(source.words or ())))
    raise DataError(
        f"{source.name}: the labels are text ({_listed(source, places)}), and objective "
        f"{type(objective).__name__} needs numbers: train a classifier, as --objective logistic "
        "(two classes) or softmax, or take labels that are numbers (--label names their column)"
    )


def _found(source: Source, classes: Floats) -> str:
    if len(classes) == 1 and source.selected_from is not None:
        return (
            f"and all of those that --validation leaves for training are "
            f"{_listed(source, classes)}: give another --seed, or add rows with other labels"
        )
    if len(classes) == 1:
        return f"and all of them are {_listed(source, classes)}: add rows with other labels"
    return (
        f"and there are {len(classes)} different ones ({_listed(source, classes)}): convert them, "
        "leave out the other rows, or use another --objective"
    )


def _listed(source: Source, classes: Floats) -> str:
    """Return the first of these labels, as the data have them."""
    first = classes[:SHOWN].tolist()
    words = source.words
    texts = [f"{each:.6g}" if words is None else shown(words[int(each)]) for each in first]
    return ", ".join(texts + ["..."] * (len(classes) > SHOWN))
