"""Filling in templates: a head of its own for each launcher, and the body that all share."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files

from coded_dgd.config import RunConfig

ANY_ENVIRONMENT = "${VIRTUAL_ENV:-${CONDA_PREFIX:-$PWD/.venv}}"


def fill(
    head: str, name: str, options: Sequence[str], environment: str | None, **values: str
) -> str:
    """Return the script of which this is the head.

    Parameters
    ----------
    name : str
        Of the script where it is for any environment.
    options : sequence of str
        Of run.
    environment : str, optional
        Directory that has bin/python; by default what is activated.
    **values : str
        What else the templates have between two @.
    """
    templates = files("coded_dgd.batch") / "templates"
    text = "".join(
        (templates / f"{part}.sh").read_text(encoding="utf-8") for part in (head, "body")
    )
    values |= {
        "name": name if environment is None else "SCRIPT",
        "environment": ANY_ENVIRONMENT if environment is None else shlex.quote(environment),
        "options": shlex.join(options or ["--scheme", RunConfig.scheme]),
    }
    return re.sub("@([a-z]+)@", lambda match: values[match[1]], text)
