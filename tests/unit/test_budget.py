"""The budget of docs/performance.md, held against what benchmarks state."""

import ast
import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FAKE = """
import sys
sys.path.insert(0, {benchmarks!r})
from common import state
state("start / imports", [1.0, 1.3, 1.2])
state("gain", [1.4, 1.2, 1.3])
state("seconds", [0.1], " s")
state("no number", [float("nan")])
sys.exit({code})
"""


@pytest.fixture
def budget(tmp_path, monkeypatch, capsys):
    """Return a function of rows of the table that runs the budget with a benchmark of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import budget

    monkeypatch.setattr(budget, "PAGE", tmp_path / "docs" / "performance.md")
    budget.PAGE.parent.mkdir()

    def run(*rows, words=(), benchmark=FAKE, code=0):
        table = "\n".join(["| ratio | command | bound | value |", "|---|---|---|---|", *rows])
        budget.PAGE.write_text(f"# Page\n\n## Budget\n\nText.\n\n{table}\n\n## More\n\n| a |\n")
        script = benchmark.format(benchmarks=str(BENCHMARKS), code=code)
        (tmp_path / "fake.py").write_text(script)
        monkeypatch.setattr(sys, "argv", ["budget.py", *words])
        status = 0
        try:
            budget.main()
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().out.splitlines()

    return run


def row(ratio, bound, documented="1.10 (1.00 to 1.20)", command="python fake.py"):
    return f"| {ratio} | `{command}` | {bound} | {documented} |"


@pytest.mark.parametrize(
    ("ratio", "bound", "said"),
    [
        ("start / imports", "<= 1.2", "kept"),
        ("start / imports", "<= 1.19", "missed by less than the noise"),
        ("start / imports", "<= 1.0", "missed by less than the noise"),
        ("gain", ">= 1.3", "kept"),
        ("gain", ">= 1.4", "missed by less than the noise"),
    ],
)
def test_a_ratio_within_its_noise(budget, ratio, bound, said):
    status, (command, line, last) = budget(row(ratio, bound))
    assert status == 0
    assert command == "python fake.py"
    assert line.startswith(f"  {ratio}: ")
    assert line.endswith(
        f", bound {bound.rstrip('0').rstrip('.')}, documented 1.10 (1.00 to 1.20): {said}"
    )
    assert last == "all 1 ratios of the budget are kept, or missed by less than the noise"


@pytest.mark.parametrize(
    ("ratio", "bound", "documented", "figures", "known"),
    [
        ("start / imports", "<= 0.99", "0.98", "1.200 (1.000 to 1.300)", ""),
        (
            "start / imports",
            "<= 0.99",
            "1.10 (1.00 to 1.20)",
            "1.200 (1.000 to 1.300)",
            ", as documented",
        ),
        ("gain", ">= 1.41", "1.50", "1.300 (1.200 to 1.400)", ""),
        ("gain", ">= 1.41", "1.40", "1.300 (1.200 to 1.400)", ", as documented"),
        ("no number", "<= 1.5", "1.40", "nan (nan to nan)", ""),
    ],
)
def test_a_ratio_that_falls_short_whatever_is_documented(
    budget, ratio, bound, documented, figures, known
):
    status, (_, line, kept) = budget(row(f"`{ratio}`", bound, documented), row("gain", ">= 1"))
    assert status == "1 of 2 ratios of the budget fall short"
    assert (
        line == f"  {ratio}: {figures}, bound {bound}, documented {documented}: FALLS SHORT{known}"
    )
    assert kept.endswith("kept")


def test_a_ratio_that_is_not_stated(budget):
    status, (_, kept, line) = budget(row("gain", ">= 1"), row("seconds", "<= 1"))
    assert status == "1 of 2 ratios of the budget fall short"
    assert kept.endswith("kept")
    assert line.endswith(": NOT MEASURED, the benchmark does not state it")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"code": 3}, "the benchmark failed with exit code 3: it printed no error"),
        ({"code": "'no mpiexec'"}, "the benchmark failed with exit code 1: no mpiexec"),
        ({"benchmark": "1 / 0"}, "exit code 1: ZeroDivisionError: division by zero"),
        ({"benchmark": "import time; time.sleep(60)"}, "the benchmark did not end within 0.5 s"),
    ],
)
def test_a_benchmark_that_fails(budget, monkeypatch, how, why):
    if "sleep" in how.get("benchmark", ""):
        monkeypatch.setattr("budget.LONGEST", 0.5)
    other = row("start / imports", "<= 2", command="python fake.py --again")
    status, lines = budget(row("gain", ">= 1"), other, **how)
    assert status == "2 of 2 ratios of the budget fall short"
    assert lines[2] == "python fake.py --again"  # the other benchmarks are run all the same
    for line in (lines[1], lines[3]):
        assert ": no value, bound " in line
        assert "NOT MEASURED, " in line
        assert line.endswith(why)


def test_words_choose_commands(budget):
    rows = row("gain", ">= 2"), row("start / imports", "<= 2", command="python fake.py --again")
    status, lines = budget(*rows, words=["again"])
    assert (status, len(lines)) == (0, 3)
    assert budget(*rows, words=["nothing"])[0] == 2


def test_a_line_of_the_table_that_is_no_row_is_refused(budget):
    status, lines = budget(row("gain", ">= 1"), row("start / imports", "less than 2"))
    assert "is not a row of the budget: | start / imports | " in status
    assert not lines


def templates(script):
    """Regular expressions of the strings of a script; any text stands for an expression in them."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        literal = [each.value if isinstance(each, ast.Constant) else None for each in parts]
        if any(isinstance(each, str) and len(each) > 5 for each in literal):
            yield "".join(".+" if each is None else re.escape(str(each)) for each in literal)


def test_benchmarks_know_the_ratios_of_the_documentation(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import budget

    rows = budget.rows(budget.PAGE.read_text(encoding="utf-8"))
    assert len({(row.ratio, row.command) for row in rows}) == len(rows) > 20
    for row in rows:
        strings = templates(BENCHMARKS.parent / row.command.split()[0])
        assert any(re.fullmatch(each, row.ratio) for each in strings), row
