"""The configuration of a run: frozen, validated in one place, printable and re-runnable."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from numbers import Integral, Real
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd import origin, schemes
from coded_dgd.errors import UsageError, shown
from coded_dgd.kinds import misfit, wanted
from coded_dgd.reading import Reading
from coded_dgd.spec import nearest

DEFAULT_WORKERS = 40
DEFAULT_DELAY = "shifted-exponential:mu=10,alpha=0.01"
DEFAULT_DATA = "synthetic:rows=1000,features=100"
TRANSPORTS = ("mpi", "simulated")
DEFAULT_GUARDS = {"float64": 1e6, "float32": 1e2}
"""Guards by the type that workers compute with: docs/numerics.md has what they cost and keep."""
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


TEXT_OR_NUMBER = ("step_size", "p", "label")
"""Options whose text may be a number."""


@dataclass(frozen=True)
class RunConfig:
    """Options of ``run``, by the names of the command line; None where the scheme decides.

    Raises
    ------
    UsageError
        If a value is out of range, or of another type.
    """

    scheme: str = schemes.DEFAULT
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
    header: str = "auto"
    label: str | None = None
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
        refuse_misfit(vars(self), "--")
        for name, value in vars(self).items():
            if isinstance(value, str) and not _is_text(value):
                raise UsageError(f"--{name.replace('_', '-')} {_not_text(value)}")
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
        return Reading(self.header, self.label, self.format, self.features)

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


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a configuration holds them: numbers of any type as Python's, and as text
    where an option takes that; the path of data, a type of numpy and the truth value of ``header``
    as text; all else as it is.
    """
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Any:
    try:
        if isinstance(value, (bool, np.bool_)):
            return bool(value) if name != "header" else "yes" if value else "no"
        if isinstance(value, Real):
            nearest_float = float(value)  # raises where there is none
            number = int(value) if isinstance(value, Integral) else nearest_float
            return str(number) if name in TEXT_OR_NUMBER else number
        if name == "dtype" and isinstance(value, (type, np.dtype)):
            return np.dtype(value).name
        return fsdecode(value) if name == "data" and isinstance(value, PathLike) else value
    except (OverflowError, TypeError, ValueError):
        return value


def refuse_misfit(values: Mapping[str, Any], where: str, declared: type = RunConfig) -> None:
    """Refuse an option whose value is not of the type that a class declares for it.

    Parameters
    ----------
    where : str
        What the message begins with, before the name.

    Raises
    ------
    UsageError
        Names the first one.
    """
    name = misfit(values, declared)
    if name is not None:
        option = name.replace("_", "-") if where == "--" else name
        what = "text or a number" if name in TEXT_OR_NUMBER else wanted(name, declared)
        raise UsageError(f"{where}{option} has to be {what}, not {shown(values[name])}")


def _toml(value: str | float | bool) -> str:
    """Write a value as TOML: as JSON, but for infinity and the control character DEL."""
    if value == inf:
        return "inf"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read options of ``run`` from a TOML file, such as ``config.toml`` of a run folder.

    Names may have dashes, as on the command line, or underscores.
    Paths that are relative to where the run was started, by the file, are absolute ones.

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
    refuse_misfit(given, f"--config {path}: ")
    return origin.located(given, origin.of(text))


def _text(path: Path) -> str:
    """Read a file of text, whatever line ends it has, with or without a byte order mark.

    Raises
    ------
    UsageError
        If it has another encoding than UTF-8.
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


def _is_text(value: str) -> bool:
    """Whether it can be written into a file of text: not every file name can."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_text(value: str) -> str:
    """What is wrong with a text that cannot be written into a file, and what helps."""
    try:
        name = os.fsencode(value).decode()
    except UnicodeError:
        return f"{value!r} is not valid UTF-8: rename the file"
    return (
        f"{name!a} is read as {sys.getfilesystemencoding()} under this locale: export "
        "PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    )
