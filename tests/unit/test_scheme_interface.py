"""Nothing outside schemes/ knows which scheme is running.

No scheme is named elsewhere, and no attribute of one is read that is not in schemes/base.py. The
figures of the papers (reproduce/) are about the papers' schemes, and name them.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from coded_dgd import schemes
from coded_dgd.schemes import base

PACKAGE = Path(__file__).resolve().parents[2] / "coded_dgd"
ABOUT_SCHEMES = {"schemes", "reproduce"}
FILES = sorted(
    path.relative_to(PACKAGE)
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in ABOUT_SCHEMES
)
NAMED = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, schemes.names()))})(?!\w)")


def interface():
    """Public attributes of what schemes/base.py declares, also those that instances get."""
    found = set()
    for name, kind in vars(base).items():
        if issubclass(type(kind), type) and issubclass(kind, base.Scheme):  # no alias
            assert kind.__module__ == base.__name__, name
            found |= set(dir(kind)) | set(inspect.get_annotations(kind))
            (tree,) = ast.parse(inspect.getsource(kind)).body
            found |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return {name for name in found if not name.startswith("_")}


def is_scheme(node):
    """Whether an expression is called a scheme: ``scheme``, ``x.scheme``, ``x.y.scheme``."""
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return name == "scheme"


def read_of_schemes(tree):
    """Attributes that are read of what is called a scheme, by line; also by ``getattr``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_scheme(node.value):
            yield node.attr, node.lineno
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "hasattr")
            and is_scheme(node.args[0])
        ):
            yield ast.unparse(node.args[1]).strip("'\""), node.lineno


def literals(tree):
    """Text in a file by line, but for docstrings of modules, classes, functions and attributes."""
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in documented:
            yield node.value, node.lineno


def parsed(file):
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def test_the_interface_is_found():
    assert {"name", "workers", "rule", "weights", "held", "generator", "pieces"} <= interface()
    assert not {"polynomials", "copies", "block", "B", "tolerance", "p"} & interface()


def test_files_are_found():
    assert {Path("engine/master.py"), Path("planner/costs.py"), Path("config.py")} <= set(FILES)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_nothing_is_read_of_a_scheme_but_what_its_interface_has(file):
    known = interface()
    unknown = [f"{file}:{line}: {name}" for name, line in read_of_schemes(parsed(file))
               if name not in known]  # fmt: skip
    assert not unknown


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_scheme_is_named(file):
    naming = [f"{file}:{line}: {text}" for text, line in literals(parsed(file))
              if NAMED.search(text)]  # fmt: skip
    assert not naming


@pytest.mark.parametrize("text", ["gc", "use uc-mmc", "scheme='lcc'", "lcc-mmc-K", "uncoded,gc"])
def test_names_are_recognised(text):
    assert NAMED.search(text)


@pytest.mark.parametrize("text", ["gcc", "my-gc", "encoded", "uncodedness", "_gc"])
def test_other_words_are_not(text):
    assert not NAMED.search(text)


@pytest.mark.parametrize(
    "code", ["scheme.copies", "stage.scheme.copies", "getattr(scheme, 'copies', None)"]
)
def test_attributes_are_recognised(code):
    assert [name for name, _ in read_of_schemes(ast.parse(code))] == ["copies"]
