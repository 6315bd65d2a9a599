"""A configuration is written as TOML and read again, as in the run folder."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from math import inf
from pathlib import Path
from typing import Any

from coded_dgd import origin
from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.spec import nearest
from coded_dgd.values import plain, refuse_misfit


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
