"""The configuration of a run: frozen, validated in one place, printable and re-runnable."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf
from numbers import Integral, Real
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd import origin, schemes
from coded_dgd.errors import UsageError, shown
from coded_dgd.kinds import misfit, wanted
from coded_dgd.reading import FORMATS, HEADERS, Reading
from coded_dgd.spec import nearest

DEFAULT_WORKERS = 40
DEFAULT_DELAY = "shifted-exponential:mu=10,alpha=0.01"
DEFAULT_DATA = "synthetic:rows=1000,features=100"
TRANSPORTS = ("mpi", "simulated")
DEFAULT_GUARDS = {"float64": 1e6, "float32": 1e2}
"""Default guards by the type that workers compute with; docs/numerics.md has their effect."""
DTYPES = tuple(DEFAULT_GUARDS)
KERNELS = ("auto", "products", "gram", "sparse")
ON_LOSS = ("stop", "replan")
ENCODE = ("master", "local")
LOG_LEVELS = ("info", "debug")
LARGEST_SIZE, LARGEST_COUNT = 100_000, 10**9
"""Limits far above any job, since tables of schemes grow with the product of two sizes."""
SCHEME_OPTIONS = (
    "tolerance",
    "order",
    "redundancy",
    "wait",
    "p",
    "assignment",
    "normalisation",
    "early_stop",
)


TEXT_OR_NUMBER = ("step_size", "batch", "p", "label")
"""Options whose text may be a number."""


@dataclass(frozen=True)
class Option:
    """The description of a command-line option, besides its name, type and default."""

    help: str
    """Help text of one or more sentences; ``{schemes}`` stands for the names of the schemes."""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    """All possible values; empty if any value is possible."""
    symbol: str = ""
    """Symbol of the option in the papers."""
    low: float = -inf
    """Least possible value."""
    high: float = inf
    """Largest possible value."""
    unit: str = ""
    harmless: bool = False
    """Whether a resumed run may change the option, since it affects no iteration that is done."""

    def check(self, name: str, value: Any) -> None:
        """Raise a UsageError if a value is not one of the choices or out of range."""
        option = f"--{name.replace('_', '-')}"
        if self.choices and value not in self.choices:
            raise UsageError(f"{option}: give one of {', '.join(self.choices)}")
        symbol, unit = self.symbol and f" ({self.symbol})", self.unit and f" {self.unit}"
        if self.low > -inf and not value >= self.low:
            raise UsageError(f"{option}{symbol} has to be {self.low} or more{unit}")
        if self.high < inf and not value <= self.high:
            raise UsageError(f"{option} has to be {self.high} or less")


def option(default: Any, help: str, **more: Any) -> Any:
    """Return a field of a configuration that is an option; see `Option`."""
    return field(default=default, metadata={"option": Option(help, **more)})


@dataclass(frozen=True)
class RunConfig:
    """Options of ``run``, by their names on the command line; None if the scheme decides.

    Raises
    ------
    UsageError
        A value is out of range or of the wrong type.
    """

    scheme: str = option(
        schemes.DEFAULT,
        "Name of the scheme: {schemes}; or auto for what a short probe finds best, with all that "
        "is left open.",
    )
    workers: int | None = option(
        None,
        "Number M of workers; under mpiexec it is the number of ranks less 1.  [default: 40 "
        "without MPI]",
        metavar="M",
        low=1,
        high=LARGEST_SIZE,
    )
    blocks: int | None = option(
        None,
        "Number N of blocks that the rows of the data are cut into.  [default: M]",
        metavar="N",
        symbol="N",
        low=1,
        high=LARGEST_SIZE,
    )
    load: int | None = option(
        None,
        "Computation load r: number of tasks, one (coded) block each, per worker and iteration.  "
        "[default: 10, or N if less]",
        metavar="R",
        symbol="r",
        low=1,
        high=LARGEST_SIZE,
    )
    tolerance: float | None = None
    order: str | None = None
    redundancy: float | None = None
    wait: str | None = None
    p: str | None = None
    assignment: str | None = None
    normalisation: str | None = None
    early_stop: str | None = None
    data: str = option(
        DEFAULT_DATA,
        "Data to train on: synthetic:rows=...,features=..., or a file: .npy ([X | y]), .npz (X and "
        "y), .svm or .libsvm, .csv, .h5 (X and y); .svm and .csv also compressed, as .csv.gz, .bz2 "
        "or .xz.",
    )
    header: str = option(
        "auto",
        "Whether the first line of a .csv file names the columns: yes, no, or auto, which refuses "
        "a line that may be either.",
        choices=HEADERS,
    )
    label: str | None = option(
        None,
        "Column of the label in a .csv or .npy file: its name in the header or, if no column is "
        "called so, its number from 1, or from the end from -1.  [default: the last column]",
        metavar="NAME|INDEX",
    )
    format: str | None = option(
        None,
        "Format of the data file, whatever its suffix is.  [default: as the suffix says]",
        choices=FORMATS,
    )
    features: int | None = option(
        None,
        "Number of features of an .svm file, 1 or more; larger indices in it are refused.  "
        "[default: the largest index]",
        metavar="N",
    )
    weights: str | None = option(
        None,
        "File of sample weights, 0 or more, one for each row: .npy of shape (rows,), or text with "
        "one number in each line.  [default: w in .npz and .h5; else each row counts once]",
        metavar="FILE",
    )
    encode: str = option(
        "master",
        "Who makes the (coded) blocks of the data: master, rank 0, which sends them; local, each "
        "worker its own, of the file, which every host then has to see under the same path.",
        choices=ENCODE,
        harmless=True,
    )
    share_blocks: bool = option(
        True,
        "Whether workers of a host hold the blocks of which they would have copies together, "
        "where that saves 1 MB or more.",
        harmless=True,
    )
    objective: str = option(
        "least-squares",
        "What to minimise: least-squares (1/2 ||X beta - y||^2), logistic (two classes), softmax "
        "(several classes), huber:delta=1.35 (least squares, robust), poisson (counts), or "
        "MODULE:CLASS or MODULE:OBJECT of your own.",
    )
    ridge: float = option(
        0.0,
        "Factor L of the term L/2 ||beta||^2 that is added to the objective.",
        metavar="L",
        low=0,
    )
    intercept: bool = option(
        False,
        "Give the model an intercept, to which --ridge does not apply; dense columns are centred "
        "meanwhile.",
    )
    standardize: bool = option(
        False,
        "Divide each column by its standard deviation while training; the model comes back in the "
        "units of the data.",
    )
    optimizer: str = option(
        "gd",
        "How to step: gd (gradient descent), nesterov (accelerated; restart=gradient restarts "
        "where momentum leads uphill), momentum:factor=0.9, adam, cg (conjugate gradients, for "
        "quadratic objectives), lbfgs:pairs=10 (with a line search, each trial an iteration), auto "
        "(cg or lbfgs, and momentum where gradients are approximate), or MODULE:CLASS of your own.",
    )
    step_size: str = option(
        "auto",
        "Length of a step: a number, auto (1 / largest curvature, times 1 - factor for momentum; "
        "0.001 for adam), theorem1:epsilon=1e-6, or power-law:scale=1612,power=0.7 (divided by "
        "rows and largest eigenvalue of X^T X). cg and lbfgs find their own.",
    )
    batch: str = option(
        "1.0",
        "Rows of each gradient, drawn anew in each iteration: a fraction of all rows, such as 0.1, "
        "or a number of rows, such as 256; 1.0 is all rows, and 1 is one row.",
        metavar="F|ROWS",
    )
    iterations: int = option(
        100,
        "Number T of iterations.",
        metavar="T",
        low=1,
        high=LARGEST_COUNT,
        harmless=True,
    )
    stop_at: float = option(
        0.0,
        "Stop earlier, once ||gradient|| <= F ||first gradient||, with --batch for a whole epoch; "
        "0 for never.",
        metavar="F",
        harmless=True,
    )
    delay: str = option(
        DEFAULT_DELAY,
        f"Injected delay of each task, with times in seconds: none, {DEFAULT_DELAY}, "
        "pareto:shape=2.2,scale=0.06 (both also tasks=independent), "
        "persistent:ranks=1,3,factor=20, markov:onset=0.05,recovery=0.2,factor=20, "
        "bernoulli:p=0.7,slow=1,fast=0.01, or trace:FILE. All take per=task, by which every "
        "block is a task, or per=share, by which a block is M/N of a task, so that any N is the "
        "same work.",
    )
    dtype: str = option(
        "float64",
        "What workers hold, compute and send: float64, or float32 in half the memory, time and "
        "bytes, with 7 digits instead of 16; the master decodes and steps in float64.",
        choices=DTYPES,
    )
    kernel: str = option(
        "auto",
        "How workers compute: products, X^T (X beta - y) from dense rows; gram, from X^T X, formed "
        "once (least squares); sparse, from sparse rows (.svm, blocks that are copies); or auto, "
        "for the fastest by a cost model, in no more memory than the rows take.",
        choices=KERNELS,
    )
    guard: float = option(
        0.0,
        "Largest error amplification (a factor) to decode with; above it the master takes further "
        "messages.  [default: 1e6, and 100 with --dtype float32]",
        metavar="F",
    )
    """Value of the guard: a configuration replaces 0 by the default of `dtype`."""
    check_gradient: bool = option(
        False,
        "Hold every gradient against the exact one, computed on rank 0 outside the clock.",
        harmless=True,
    )
    on_loss: str = option(
        "stop",
        "What to do when too many workers are lost: stop (exit code 4), or replan: build the code "
        "anew for those that live.",
        choices=ON_LOSS,
        harmless=True,
    )
    spare: int = option(
        0,
        "Number of ranks that idle until they take the place of a lost worker.",
        metavar="K",
        low=0,
        high=LARGEST_SIZE,
        harmless=True,
    )
    replace: bool = option(False, "Start a new worker for each lost one.", harmless=True)
    silence: float = option(
        300.0,
        "Count a worker as lost that gives no sign of life for so many seconds, as where its host "
        "is cut off; more than the longest task takes. 0 for never.",
        metavar="SECONDS",
        low=0,
        unit="seconds",
        harmless=True,
    )
    adapt: bool = option(
        False,
        "Look every 20 iterations whether the cluster has changed, and go on with another load, "
        "tolerance or number of workers waited for, or without slow workers, where that pays; with "
        "--scheme auto with another scheme too.",
        harmless=True,
    )
    checkpoint_every: int = option(
        0,
        "Write a checkpoint every T iterations; 0 for never.",
        metavar="T",
        low=0,
        high=LARGEST_COUNT,
        unit="iterations",
        harmless=True,
    )
    checkpoint_seconds: float = option(
        60.0,
        "Write a checkpoint every so many seconds; 0 for never.",
        metavar="SECONDS",
        low=0,
        harmless=True,
    )
    transport: str = option(
        "mpi",
        "Where workers run: mpi, on real ranks in wall-clock time; simulated, in this process in "
        "virtual time.",
        choices=TRANSPORTS,
    )
    seed: int = option(
        0, "Seed of synthetic data and injected delays, 0 or more.", metavar="S", low=0
    )

    def __post_init__(self) -> None:
        refuse_misfit(vars(self), "--", RunConfig)
        refuse_unwritable(vars(self))
        for name, declared in OPTIONS.items():
            if getattr(self, name) is not None:
                declared.check(name, getattr(self, name))
        _require(self.ridge < inf, "--ridge has to be 0 or more")
        _require(0 <= self.stop_at < 1, "--stop-at is a fraction: 0 <= F < 1")
        if not self.guard:
            object.__setattr__(self, "guard", DEFAULT_GUARDS[self.dtype])
        _require(self.guard >= 2, "--guard has to be 2 or more: no decode amplifies errors by less")
        _ = self.reading  # which refuses what is out of range

    @property
    def reading(self) -> Reading:
        """How a data file is read."""
        return Reading(self.header, self.label, self.format, self.features, self.weights)

    @property
    def scheme_options(self) -> dict[str, float | str | None]:
        """Options that only single schemes take."""
        return {name: getattr(self, name) for name in SCHEME_OPTIONS}


OPTIONS: Mapping[str, Option] = {
    each.name: each.metadata["option"] for each in fields(RunConfig) if "option" in each.metadata
}
"""Descriptions of the options by name; schemes have further options of their own."""
HARMLESS = tuple(name for name, each in OPTIONS.items() if each.harmless)
"""Options that a resumed run may change."""


def _require(condition: bool, mend: str) -> None:
    if not condition:
        raise UsageError(mend)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in the types that a configuration holds.

    Numbers become Python's, or text if the option takes text. The path of the data, a numpy type
    and the truth value of ``header`` become text. Other values stay as they are.
    """
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Any:
    try:
        if isinstance(value, (bool, np.bool_)):
            return bool(value) if name != "header" else "yes" if value else "no"
        if isinstance(value, Real):
            nearest_float = float(value)  # raises if there is none
            number = int(value) if isinstance(value, Integral) else nearest_float
            return str(number) if name in TEXT_OR_NUMBER else number
        if name == "dtype" and isinstance(value, (type, np.dtype)):
            return np.dtype(value).name
        path = name in ("data", "weights") and isinstance(value, PathLike)
        return fsdecode(value) if path else value
    except (OverflowError, TypeError, ValueError):
        return value


def refuse_misfit(values: Mapping[str, Any], where: str, declared: type) -> None:
    """Refuse an option whose value is not of the type that a class declares for it.

    Parameters
    ----------
    where : str
        Beginning of the message, before the name.
    declared : type
        A class that annotates a field for each option; see `kinds.misfit`.

    Raises
    ------
    UsageError
        A value has the wrong type; the message names the first one.
    """
    name = misfit(values, declared)
    if name is not None:
        option = name.replace("_", "-") if where == "--" else name
        what = "text or a number" if name in TEXT_OR_NUMBER else wanted(name, declared)
        raise UsageError(f"{where}{option} has to be {what}, not {shown(values[name])}")


def to_toml(config: RunConfig) -> str:
    """Return a configuration as TOML, without options that the scheme decides."""
    given = {key: value for key, value in asdict(config).items() if value is not None}
    return "".join(f"{key} = {_toml(value)}\n" for key, value in given.items())


def _toml(value: str | float | bool) -> str:
    """Return a value as TOML: as JSON, except infinity and the control character DEL."""
    if value == inf:
        return "inf"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read options of ``run`` from a TOML file, such as ``config.toml`` of a run folder.

    Names may have dashes, as on the command line, or underscores. Paths relative to the folder in
    which the run was started, as the file records it, are returned as absolute paths.

    Raises
    ------
    UsageError
        The file cannot be read or names an unknown option, or a value is of the wrong type.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = _text(path)
        values: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"--config {path}: {error.strerror}: name a file such as config.toml of a run folder"
        ) from None
    except ValueError as error:
        raise UsageError(
            f"--config {path} is not TOML ({error}): coded-dgd run --print-config shows how to "
            "write it"
        ) from None
    known = [field.name for field in fields(RunConfig)]
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UsageError(
                f"--config {path}: unknown option {key!r}{nearest(name, known)}; there are: "
                f"{', '.join(known)}"
            )
        if name in given:
            raise UsageError(f"--config {path} gives {name} twice: keep one of them")
        given[name] = value
    given = plain(given)
    refuse_misfit(given, f"--config {path}: ", RunConfig)
    return origin.located(given, origin.of(text))


def _text(path: Path) -> str:
    """Read a text file with any line ends, with or without a byte order mark.

    Raises
    ------
    UsageError
        The encoding is not UTF-8.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise UsageError(
            f"--config {path} is not TOML (it is UTF-16 text, or none at all): save it as UTF-8"
        )
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline=None).read()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"--config {path} is not TOML (line {line} has the byte 0x{content[error.start]:02x}, "
            "as Latin-1 text may have it): save it as UTF-8"
        ) from None


def refuse_unwritable(values: Mapping[str, Any]) -> None:
    """Refuse text that cannot be written into a text file, as some names of files cannot.

    Raises
    ------
    UsageError
        The message names the first such option, and the remedy.
    """
    for name, value in values.items():
        if isinstance(value, str) and not _is_text(value):
            raise UsageError(f"--{name.replace('_', '-')} {_not_text(value)}")


def _is_text(value: str) -> bool:
    """Return whether a text can be written into a text file; some file names cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_text(value: str) -> str:
    """Return what is wrong with a text that cannot be written into a file, with the remedy."""
    try:
        name = os.fsencode(value).decode()
    except UnicodeError:
        return f"{value!r} is not valid UTF-8: rename the file"
    return (
        f"{name!a} is read as {sys.getfilesystemencoding()} under this locale: export "
        "PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    )
