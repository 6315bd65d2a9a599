"""The configuration of a run: frozen, validated in one place, printable and re-runnable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from coded_dgd import schemes
from coded_dgd.errors import UsageError
from coded_dgd.problems import batches
from coded_dgd.reading import FORMATS, HEADERS, Reading, fraction_of
from coded_dgd.reading import OPTIONS as READING
from coded_dgd.values import refuse_misfit, refuse_unwritable

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
    "copies",
    "shares",
    "combine",
    "redundancy",
    "wait",
    "p",
    "assignment",
    "normalisation",
    "early_stop",
)


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
        "Number N of blocks that the rows of the data are cut into.  [default: M for most schemes]",
        metavar="N",
        symbol="N",
        low=1,
        high=LARGEST_SIZE,
    )
    load: int | None = option(
        None,
        "Computation load r: number of tasks, one (coded) block each, per worker and iteration.  "
        "[default: for most schemes 10, or N if less]",
        metavar="R",
        symbol="r",
        low=1,
        high=LARGEST_SIZE,
    )
    tolerance: float | None = None
    order: str | None = None
    copies: str | None = None
    shares: str | None = None
    combine: str | None = None
    redundancy: float | None = None
    wait: str | None = None
    p: str | None = None
    assignment: str | None = None
    normalisation: str | None = None
    early_stop: str | None = None
    data: str = option(
        DEFAULT_DATA,
        "Data to train on: synthetic:rows=...,features=..., or a file, a directory of files, or a "
        "pattern such as 'part-*.csv': .npy ([X | y]), .npz (X and "
        "y), .svm or .libsvm, .csv, .parquet, .h5 (X and y); .svm and .csv also compressed, as "
        ".csv.gz, .bz2 or .xz.",
    )
    header: str = option(
        "auto",
        "Whether the first line of a .csv file names the columns: yes, no, or auto, which refuses "
        "a line that may be either.",
        choices=HEADERS,
    )
    label: str | None = option(
        None,
        "Column of the label in a .csv, .parquet or .npy file: its name or, if no column is "
        "called so, its number from 1, or from the end from -1.  [default: the last column]",
        metavar="NAME|INDEX",
    )
    columns: str | None = option(
        None,
        "Columns that are features: names in the header or numbers, as of --label, with commas "
        "between, and ranges FIRST:LAST with both ends; of X in an .npz, .h5 or .svm file by "
        "number.  [default: all but the label]",
        metavar="NAME|INDEX|FIRST:LAST,...",
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
    validation: str | None = option(
        None,
        "Labelled rows on which the model is judged while it is trained: a file with the columns "
        "of the data, or a fraction of the rows, such as 0.2, drawn by --seed, on which no worker "
        "computes.",
        metavar="FILE|FRACTION",
    )
    validation_every: int = option(
        1,
        "With --validation: judge the model after every so many iterations.",
        metavar="T",
        low=1,
        high=LARGEST_COUNT,
        harmless=True,
    )
    patience: int = option(
        0,
        "With --validation: stop once the loss of the held-out rows has not been lowered K times "
        "in succession, and keep the model with the lowest; 0 for never.",
        metavar="K",
        low=0,
        high=LARGEST_COUNT,
        harmless=True,
    )
    start: str | None = option(
        None,
        "Model to begin at: the folder of an earlier run on the same columns and classes. "
        "--stop-at still counts from the gradient where a run without it begins.  [default: "
        "zeros, or what the objective starts with]",
        metavar="MODEL",
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
        "bernoulli:p=0.7,slow=1,fast=0.01, additive:overhead=0.1,overhead_mu=20,alpha=0.01 (a "
        "start-up overhead per worker and iteration, and a time per task), or trace:FILE. All take "
        "per=task, by which every block is a task, or per=share, by which a block is M/N of a "
        "task, so that any N is the same work. 'LAW + LAW' adds one time of the second law to all "
        "tasks of a worker.",
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
        if self.validation is None:
            mend = "is about held-out rows: add --validation"
            _require(not self.patience, f"--patience {mend}")
            _require(self.validation_every == 1, f"--validation-every {mend}")
        elif fraction_of(self.validation) is not None:
            _require(
                self.encode != "local",
                "--encode local has workers read all rows: give the held-out rows as a file with "
                "--validation, or leave --encode out",
            )
        _ = self.reading  # which refuses what is out of range

    @property
    def has_batches(self) -> bool:
        """Whether gradients are those of mini-batches."""
        return batches.parse(self.batch) is not None

    @property
    def reading(self) -> Reading:
        """How a data file is read."""
        return Reading(**{name: getattr(self, name) for name in READING})

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
