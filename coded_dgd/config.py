"""The configuration of a run: frozen, validated in one place, printable and re-runnable."""

from __future__ import annotations

import json
import reprlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from coded_dgd.errors import UsageError
from coded_dgd.guard import DEFAULT_GUARDS
from coded_dgd.kinds import misfit, wanted
from coded_dgd.reading import Reading
from coded_dgd.spec import nearest

DEFAULT_WORKERS = 40
DEFAULT_DELAY = "shifted-exponential:mu=10,alpha=0.01"
DEFAULT_DATA = "synthetic:rows=1000,features=100"
TRANSPORTS = ("mpi", "simulated")
DTYPES = tuple(DEFAULT_GUARDS)
KERNELS = ("auto", "products", "gram", "sparse")
ON_LOSS = ("stop", "replan")
ENCODE = ("master", "local")
LOG_LEVELS = ("info", "debug")
LARGEST = {
    **dict.fromkeys(("workers", "blocks", "load", "spare"), 100_000),
    **dict.fromkeys(("iterations", "checkpoint_every"), 10**9),
}
"""More than any job is; tables of schemes grow with the product of two of these."""
HARMLESS = (
    "iterations",
    "stop_at",
    "check_gradient",
    "on_loss",
    "spare",
    "replace",
    "silence",
    "adapt",
    "checkpoint_every",
    "checkpoint_seconds",
    "encode",
    "share_blocks",
)
"""Options that may differ when a run is resumed: they change no iteration that is done."""
SCHEME_OPTIONS = (
    "tolerance",
    "redundancy",
    "wait",
    "p",
    "assignment",
    "normalisation",
    "early_stop",
)


@dataclass(frozen=True)
class RunConfig:
    """Options of ``run``, by the names of the command line; None where the scheme decides.

    Raises
    ------
    UsageError
        If a value is out of range, or of another type.
    """

    scheme: str = "lcc-mmc"
    workers: int | None = None
    blocks: int | None = None
    load: int | None = None
    tolerance: float | None = None
    redundancy: float | None = None
    wait: str | None = None
    p: str | None = None
    assignment: str | None = None
    normalisation: str | None = None
    early_stop: str | None = None
    data: str = DEFAULT_DATA
    header: str | bool = "auto"
    label: str | int | None = None
    format: str | None = None
    features: int | None = None
    encode: str = "master"
    share_blocks: bool = True
    objective: str = "least-squares"
    ridge: float = 0.0
    optimizer: str = "gd"
    step_size: str = "auto"
    iterations: int = 100
    stop_at: float = 0.0
    delay: str = DEFAULT_DELAY
    dtype: str = "float64"
    kernel: str = "auto"
    guard: float = 0.0
    """In a configuration the number that it stands for: 0 is for the default of `dtype`."""
    check_gradient: bool = False
    on_loss: str = "stop"
    spare: int = 0
    replace: bool = False
    silence: float = 300.0
    adapt: bool = False
    checkpoint_every: int = 0
    checkpoint_seconds: float = 60.0
    transport: str = "mpi"
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_misfit(vars(self), "--")
        object.__setattr__(self, "header", _yes_or_no(self.header))
        if self.label is not None:
            object.__setattr__(self, "label", str(self.label))
        for name, value in vars(self).items():
            _require(
                not isinstance(value, str) or _is_text(value),
                f"--{name.replace('_', '-')} {value!r} is not valid UTF-8: rename the file",
            )
        _require(self.iterations >= 1, "--iterations has to be 1 or more")
        _require(self.workers is None or self.workers >= 1, "--workers has to be 1 or more")
        _require(self.blocks is None or self.blocks >= 1, "--blocks (N) has to be 1 or more")
        _require(self.load is None or self.load >= 1, "--load (r) has to be 1 or more")
        for size in ("workers", "blocks", "load", "iterations", "spare", "checkpoint_every"):
            _require(
                (getattr(self, size) or 0) <= LARGEST[size],
                f"--{size.replace('_', '-')} has to be {LARGEST[size]} or less",
            )
        _require(self.seed >= 0, "--seed has to be 0 or more")
        _require(0 <= self.ridge < inf, "--ridge has to be 0 or more")
        _require(0 <= self.stop_at < 1, "--stop-at is a fraction: 0 <= F < 1")
        _require(self.dtype in DTYPES, f"--dtype: give one of {', '.join(DTYPES)}")
        _require(self.kernel in KERNELS, f"--kernel: give one of {', '.join(KERNELS)}")
        if not self.guard:
            object.__setattr__(self, "guard", DEFAULT_GUARDS[self.dtype])
        _require(self.guard >= 2, "--guard has to be 2 or more: no decode amplifies errors by less")
        _require(self.on_loss in ON_LOSS, f"--on-loss: give one of {', '.join(ON_LOSS)}")
        _require(self.encode in ENCODE, f"--encode: give one of {', '.join(ENCODE)}")
        _require(self.checkpoint_every >= 0, "--checkpoint-every has to be 0 or more iterations")
        _require(self.checkpoint_seconds >= 0, "--checkpoint-seconds has to be 0 or more")
        _require(self.spare >= 0, "--spare has to be 0 or more")
        _require(self.silence >= 0, "--silence has to be 0 or more seconds")
        _require(self.transport in TRANSPORTS, f"--transport: give one of {', '.join(TRANSPORTS)}")
        _ = self.reading  # which refuses what is out of range

    @property
    def reading(self) -> Reading:
        """How a data file is read."""
        label = None if self.label is None else str(self.label)
        return Reading(str(self.header), label, self.format, self.features)

    @property
    def scheme_options(self) -> dict[str, float | str | None]:
        """Options that only single schemes take."""
        return {name: getattr(self, name) for name in SCHEME_OPTIONS}

    def to_toml(self) -> str:
        """Return the configuration as TOML, without what is left to the scheme."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        return "".join(f"{key} = {_toml(value)}\n" for key, value in given.items())


def _require(condition: bool, mend: str) -> None:
    if not condition:
        raise UsageError(mend)


def _refuse_misfit(values: Mapping[str, Any], where: str) -> None:
    name = misfit(values, RunConfig)
    if name is not None:
        option = name.replace("_", "-") if where == "--" else name
        raise UsageError(
            f"{where}{option} has to be {wanted(name, RunConfig)}, not {reprlib.repr(values[name])}"
        )


def _toml(value: str | float | bool) -> str:
    """Write a value as TOML: as JSON, but for infinity and the control character DEL."""
    if value == inf:
        return "inf"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read options of ``run`` from a TOML file, such as ``config.toml`` of a run folder.

    Raises
    ------
    UsageError
        If it cannot be read, names an unknown option, or a value is of another type.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
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
    for key in values:
        if key not in known:
            raise UsageError(
                f"--config {path}: unknown option {key!r}{nearest(key, known)}; there are: "
                f"{', '.join(known)}"
            )
    _refuse_misfit(values, f"--config {path}: ")
    return {**values, "header": _yes_or_no(values["header"])} if "header" in values else values


def _yes_or_no(header: Any) -> Any:
    """Return what ``--header`` calls a truth value, and any other value as it is."""
    return {True: "yes", False: "no"}[header] if isinstance(header, bool) else header


def _is_text(value: str) -> bool:
    """Whether it can be written into a file of text: not every file name can."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
