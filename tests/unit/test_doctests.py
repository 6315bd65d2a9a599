"""Examples in docstrings and in the documentation, run as tests."""

import doctest
import importlib
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SESSION = ">>> "
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "coded_dgd").rglob("*.py"))
    if SESSION in path.read_text(encoding="utf-8")
]
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if SESSION in path.read_text(encoding="utf-8")
]
GENERATED = "docs/api.md"  # from docstrings
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def test_the_public_functions_have_examples():
    assert {
        "coded_dgd.api",
        "coded_dgd.schemes",
        "coded_dgd.delays",
        "coded_dgd.theory.prediction",
        "coded_dgd.theory.monte_carlo",
    } <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name.startswith("coded_dgd.estimators"):
        pytest.importorskip("sklearn", minversion="1.6")
    done = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED])
def test_documentation(page):
    done = doctest.testfile(str(ROOT / page), module_relative=False, optionflags=FLAGS)
    assert done.attempted > 0
    assert done.failed == 0


def test_the_page_of_the_public_functions_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "generate_api.py"))["document"]()
    assert (ROOT / GENERATED).read_text(encoding="utf-8") == page, "run python docs/generate_api.py"
