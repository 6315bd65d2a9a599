"""Write docs/api.md from the docstrings: python docs/generate_api.py."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("api.md")
INTRODUCTION = """\
# From Python

Written by `python docs/generate_api.py` from the docstrings, whose examples are run as tests.

Errors are subclasses of `coded_dgd.errors.CodedDGDError`; `str(error)` is one line for the user.
What begins with an underscore may change at any time.

## How to start a script

    mpiexec -n 5 python -m mpi4py script.py

Every rank runs the script, and every rank calls `train`. An error on one rank must not leave the
others waiting for it:

- Before the script has imported `coded_dgd` that is the business of `-m mpi4py`: an exception, or
  `sys.exit` with a code other than 0, ends the job. Without it the others may wait for ever, as
  where `import numpy` or `np.load` fails on rank 0.
- From the import of `coded_dgd` on, an exception that nobody catches ends the job on any rank, with
  the traceback and exit code 1. A rank that comes to its end, also by `sys.exit()`, while others
  wait for it in `train` ends the job as well.
- A rank that is late for `train` is waited for, and named on stderr after 5 s.
- What `train` raises on rank 0 it raises on all ranks of the communicator: catch it on all of
  them, or on none.

[models.md](models.md) describes objectives, also of PyTorch modules (`coded_dgd.torch`), optimizers
and the files of a model.

[failures.md](failures.md) says what becomes of a job for each way in which a rank can end.
"""
PUBLIC = {
    "coded_dgd": ["train", "Training", "workers", "load"],
    "coded_dgd.estimators": [
        "CodedRidge",
        "CodedLogisticRegression",
        "CodedRegressor",
        "CodedClassifier",
    ],
    "coded_dgd.schemes": ["create", "names"],
    "coded_dgd.delays": ["create", "names"],
    "coded_dgd.theory": ["predict", "Prediction"],
    "coded_dgd.theory.monte_carlo": ["simulate", "Sample"],
    "coded_dgd.schemes.base": ["Scheme"],
    "coded_dgd.problems.objectives": ["Objective", "LinearModel"],
    "coded_dgd.problems.optimizers": ["Optimizer"],
}
"""What the page documents, in this order."""


def entry(module: str, name: str) -> Iterator[str]:
    """Heading, signature and docstring of one thing, then its public attributes and methods."""
    thing = getattr(importlib.import_module(module), name)
    yield f"\n## {module}.{name}\n"
    if not inspect.isclass(thing):
        yield _block(f"{name}{_signature(thing)}", inspect.getdoc(thing))
        return
    yield _block(f"class {name}", inspect.getdoc(thing))
    texts = _texts(thing)
    fields = list(inspect.get_annotations(thing))
    yield "\n"
    for attribute in fields:
        if f"\n{attribute} : " not in (thing.__doc__ or ""):  # a parameter is described above
            yield _item(attribute, texts.get(attribute))
    for attribute, member in vars(thing).items():
        if attribute.startswith("_") or attribute in fields:
            continue
        if isinstance(member, property):
            yield _item(attribute, inspect.getdoc(member))
        elif inspect.isfunction(member):
            yield _item(f"{attribute}{_signature(member)}", inspect.getdoc(member))


def _block(head: str, text: str | None) -> str:
    return f"\n```text\n{head}\n\n{text}\n```\n"


def _item(name: str, text: str | None) -> str:
    """First paragraph of a text, in one line."""
    first = " ".join((text or "").partition("\n\n")[0].split())
    return f"- `{name}`: {first}\n" if first else f"- `{name}`\n"


def _signature(thing: Any) -> str:
    plain = inspect.signature(thing)
    parameters = [each.replace(annotation=each.empty) for each in plain.parameters.values()]
    return str(plain.replace(parameters=parameters, return_annotation=plain.empty))


def _texts(thing: type) -> dict[str, str]:
    """The strings that stand below annotated attributes."""
    pattern = r'^    (\w+): .*\n    """((?:.|\n)*?)"""'
    return dict(re.findall(pattern, inspect.getsource(thing), re.MULTILINE))


def document() -> str:
    """The whole page."""
    entries = (entry(module, name) for module, names in PUBLIC.items() for name in names)
    return INTRODUCTION + "".join(part for each in entries for part in each)


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
