"""Imports point down the layers only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "coded_dgd"
LAYERS = [
    {"delays", "problems", "codes", "batch"},
    {"schemes"},
    {"guard"},
    {"theory"},
    {"engine"},
    {"planner"},
    {"runs"},
    {"advising"},
    {"report"},
    {"reproduce"},
    {"app"},
    {"cli", "api"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
WITHOUT_MPI = {"delays", "problems", "codes", "schemes", "guard", "theory", "planner"}
MPI_FILE = Path("engine/transports/mpi/library.py")


def imported(path):
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def test_every_package_has_a_layer():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= HEIGHT.keys()


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0].removesuffix(".py") in HEIGHT])
def test_imports_point_down(file):
    height = HEIGHT[file.parts[0].removesuffix(".py")]
    for name in imported(PACKAGE / file):
        parts = name.split(".")
        if parts[0] == "coded_dgd" and len(parts) > 1 and parts[1] in HEIGHT:
            assert HEIGHT[parts[1]] <= height, f"{file} imports {name}"


def test_one_file_imports_mpi4py():
    found = {f for f in FILES if any(n.split(".")[0] == "mpi4py" for n in imported(PACKAGE / f))}
    assert found == {MPI_FILE}


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.parts[0].removesuffix(".py") in WITHOUT_MPI]
)
def test_what_plans_and_predicts_knows_no_engine(file):
    assert not any(name.startswith("coded_dgd.engine") for name in imported(PACKAGE / file))
