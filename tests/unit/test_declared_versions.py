"""What pyproject.toml declares is what tests/versions.sh tries."""

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOOLS = "dev"
"""The extra of which any version will do that passes."""


def release(version):
    """A version as numbers, without zeros at its end: 8.0.0 is 8."""
    return tuple(int(number) for number in re.sub(r"(\.0)+$", "", version).split("."))


def test_the_oldest_versions_are_those_declared():
    requirements = [*PROJECT["dependencies"]]
    for extra, needed in PROJECT["optional-dependencies"].items():
        requirements += [] if extra == TOOLS else needed
    declared = {}
    for requirement in requirements:
        name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:;.*)?", requirement).groups()
        declared.setdefault(name, release(version))
        assert declared[name] == release(version), f"{name} is declared twice, differently"
    pins = re.findall(r"^([\w-]+)==(.+)$", (ROOT / "tests/oldest.txt").read_text(), re.MULTILINE)
    assert {name: release(version) for name, version in pins} == declared


def test_the_versions_of_python_are_all_named():
    named = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))
    minor = [int(number) for number in named]
    assert PROJECT["requires-python"] == f">=3.{minor[0]}"
    assert minor == [*range(minor[0], minor[-1] + 1)]
