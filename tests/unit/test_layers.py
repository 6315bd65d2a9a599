"""Every file has a floor, imports point down the floors, and there are no circles of files."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "coded_dgd"
FLOORS = [
    {"_version", "errors"},
    {"files", "kinds", "reading", "spec", "streams"},
    {"codes", "host", "registry", "values"},
    {"delays", "origin", "problems"},
    {"schemes", "torch"},
    {"config", "guard"},
    {"scheduling"},
    {"admission", "batch", "config_file", "theory"},
    {"engine", "planner"},
    {"runs"},
    {"advising", "traces"},
    {"report"},
    {"app", "pool", "reproduce"},
    {"api", "cli"},
    {"estimators"},
    {"__init__", "__main__"},
    {"pool_ranks", "run"},
]
"""Rooms, packages and modules of the top level, from the ground up; rooms of a floor are strangers.

What is imported while types are checked counts, and so does what is imported within functions.
"""
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
WITHOUT_MPI = {"delays", "problems", "codes", "schemes", "guard", "scheduling", "theory", "planner"}
MPI_FILE = Path("engine/transports/mpi/library.py")
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(["coded_dgd", *(p for p in file.with_suffix("").parts if p != "__init__")]): file
    for file in FILES
}


def room(file):
    return file.parts[0].removesuffix(".py")


@cache
def names(file):
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys()
            if not inner <= MODULES.keys():
                found.add(node.module)
    return found


def imported(file):
    """Files of the package that a file imports."""
    return {MODULES[name] for name in names(file) & MODULES.keys()} - {file}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_has_a_floor_and_imports_point_down(file):
    for other in imported(file):
        here, there = room(file), room(other)
        assert here == there or FLOOR[there] < FLOOR[here], f"{file} imports {other}"


def test_no_files_import_each_other_in_a_circle():
    below = {file: imported(file) for file in FILES}
    while free := {file for file, others in below.items() if not others & below.keys()}:
        for file in free:
            del below[file]
    assert not below, f"circles among {sorted(map(str, below))}"


def test_one_file_imports_mpi4py():
    found = {f for f in FILES if any(n.split(".")[0] == "mpi4py" for n in names(f))}
    assert found == {MPI_FILE}


@pytest.mark.parametrize("file", [f for f in FILES if room(f) in WITHOUT_MPI], ids=str)
def test_what_plans_and_predicts_knows_no_engine(file):
    assert not any(name.startswith("coded_dgd.engine") for name in names(file))


TWICE = {"ConvergenceWarning"}
"""Names that stand for one thing in two modules: `estimators` has a warning of both kinds."""


def test_a_class_name_stands_for_one_class():
    places = {}
    for file in FILES:
        for node in ast.parse((PACKAGE / file).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name not in TWICE:
                places.setdefault(node.name, []).append(str(file))
    assert not {name: files for name, files in places.items() if len(files) > 1}
