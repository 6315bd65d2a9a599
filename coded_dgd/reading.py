"""How a data file is read, as plain values of the options."""

from __future__ import annotations

from dataclasses import dataclass, fields

from coded_dgd.errors import DataError, UsageError

HEADERS = ("auto", "yes", "no")
FORMATS = ("csv", "svm", "libsvm", "svmlight", "npy", "npz", "h5", "hdf5", "parquet", "pq")
LARGEST_INDEX = 2**31 - 1
"""Largest index of a column in an svm file: indices are held as 32-bit integers."""


@dataclass(frozen=True)
class Trained:
    """The columns that a model was trained on; data for the model may leave labels out.

    Parameters
    ----------
    features : int
        Number of columns.
    names : tuple of str, optional
        Names of the columns.
    labelled : bool
        Whether labels are read if there are any. If not, they may have any values, as all columns
        that the model does not use.
    """

    features: int
    names: tuple[str, ...] | None = None
    labelled: bool = True

    def refuse_others(
        self, name: str, features: int, names: tuple[str, ...] | None, labelled: bool
    ) -> None:
        """Refuse data whose columns are not those that the model was trained on.

        Parameters
        ----------
        name : str
            Name of the data in errors.
        features, names, labelled
            Number and names of their columns, and whether they have labels, too.

        Raises
        ------
        DataError
            If the number of columns differs, or columns with names have others.
        """
        if features != self.features:
            raise DataError(
                f"{name} has {features} features{' beside the labels' * labelled}, and the model "
                f"was trained on {self.features}: give the same columns"
            )
        if names is None or self.names is None or names == self.names:
            return
        if sorted(names) == sorted(self.names):
            fault = "has the columns of the model in another order"
        else:
            place = [a == b for a, b in zip(names, self.names, strict=True)].index(False)
            fault = f"calls a column {names[place]!r} that was {self.names[place]!r} in training"
        raise DataError(f"{name} {fault}: write the columns as they were in training")


@dataclass(frozen=True)
class Reading:
    """The options that say how a data file is read, by their names on the command line.

    Parameters
    ----------
    header : str
        Whether the first line of a csv file names the columns: one of `HEADERS`.
    label : str, optional
        Name or number of the label's column; None for the last.
    columns : str, optional
        Names, numbers or ranges of the columns that are features, with commas between them; None
        for all but the label.
    format : str, optional
        One of `FORMATS`; None for the one that the suffix of the file names.
    features : int, optional
        Number of columns of an svm file; None for the largest index in it.
    weights : str, optional
        Path of a file of sample weights; None for those in the data file, if it has any.
    model : Trained, optional
        Columns of the model that the data are for; None for data to train on. It is no option of
        the command line.

    Raises
    ------
    UsageError
        A value is none of these.
    """

    header: str = "auto"
    label: str | None = None
    columns: str | None = None
    format: str | None = None
    features: int | None = None
    weights: str | None = None
    model: Trained | None = None

    def __post_init__(self) -> None:
        if self.header not in HEADERS:
            raise UsageError(f"--header: give one of {', '.join(HEADERS)}")
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(f"--format: give one of {', '.join(FORMATS)}")
        if self.features is not None and not 1 <= self.features <= LARGEST_INDEX:
            raise UsageError(f"--features has to be from 1 to {LARGEST_INDEX}")

    def takes_labels(self, present: bool) -> bool:
        """Return whether labels are read. Data to train on need them, so that a lack is refused.

        Parameters
        ----------
        present : bool
            Whether the data have labels.
        """
        return self.model is None or (self.model.labelled and present)

    @property
    def given(self) -> list[str]:
        """Names of the options that do not have their default."""
        return [name for name in OPTIONS if getattr(self, name) != getattr(Reading, name)]


OPTIONS = tuple(each.name for each in fields(Reading) if each.name != "model")
"""Names of the options of `Reading` on the command line."""


def fraction_of(text: str) -> float | None:
    """Return the fraction that ``--validation`` names, or None if it names a file.

    Raises
    ------
    UsageError
        If the text is a number that is no fraction.
    """
    try:
        fraction = float(text)
    except ValueError:
        return None
    if not 0 < fraction < 1:
        raise UsageError(
            f"--validation {text}: give a fraction of the rows, above 0 and below 1, or a file"
        )
    return fraction
