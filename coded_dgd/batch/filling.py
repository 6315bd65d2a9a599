"""Scripts are filled-in templates: a head for each launcher, and one body shared by all."""

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
    """Return the script made of a head and the shared body.

    Parameters
    ----------
    head : str
        Name of the head's template.
    name : str
        Name of the script if it is for any environment.
    options : sequence of str
        Options of ``coded-dgd run``.
    environment : str, optional
        Directory that has bin/python; by default the activated environment.
    **values : str
        Values of the other names between two @ in the templates.
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
