"""The benchmarks that need no MPI still run, and print what the documentation quotes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import delays
from coded_dgd.problems.sources import open_source

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def benchmark(name, *arguments):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_numerics():
    out = benchmark("numerics.py", "--patterns", "5")
    for heading in (
        "circle, golden",
        "spread_ranks",
        "guard 1e6",
        "float32 workers",
        "error / gradient",
        "lcc, r = 4",
    ):
        assert heading in out


def test_gradient_error():
    out = benchmark("gradient_error.py", "--loads", "1", "3", "--iterations", "20")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:]}
    assert rows["1"] == ["infeasible", "infeasible"]
    assert all(float(error) <= 1e-6 for error in rows["3"])


def test_monte_carlo():
    out = benchmark("monte_carlo.py", "--realisations", "100", "--loads", "2", "40")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert rows["r"] == ["2", "40"]
    assert all(float(seconds) < 10 for name in ("lcc-mmc", "sgc") for seconds in rows[name])


def test_theory():
    laws = ["shifted-exponential:mu=10,alpha=0.01", "additive:mu=100"]
    out = benchmark("theory.py", "--realisations", "200", "--loads", "2", "--delay", *laws)
    tables, seconds = out.split("seconds")
    _, *sections = tables.split(" 200 realisations\n")
    assert len(sections) == 2 * len(laws)
    for small, large in (sections[:2], sections[2:]):
        for name, *figures in (line.split() for line in small.splitlines()[1:-1]):
            assert len(figures) == 5, name
            assert all(float(figure) <= 4 for figure in figures[1:4]), name
        assert "lcc-mmc-3" in small
        assert "lcc-mmc-3" not in large  # infeasible at r = 2
    assert "uc-mmc-pg" in seconds


def test_optimizers(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 12)) * np.geomspace(1, 20, 12)
    labels = np.sign(X @ rng.standard_normal(12) + rng.standard_normal(200))
    rows = zip(labels, X, strict=True)
    lines = [
        " ".join([f"{label:+.0f}", *(f"{column + 1}:{x:.17g}" for column, x in enumerate(row))])
        for label, row in rows
    ]
    (tmp_path / "classes.svm").write_text("\n".join(lines) + "\n")
    out = benchmark("optimizers.py", tmp_path / "classes.svm", "--seeds", "2", "--workers", "12")
    rows = [line.split() for line in out.splitlines()]
    ours = {(row[0], row[2], row[3]): row for row in rows if "to" in row[4:]}
    assert all(int(row[6]) <= 30 for (_, name, _), row in ours.items() if name == "cg")
    assert all(float(row[7]) <= 1.01 * float(row[3]) for row in ours.values())
    for row in rows:
        if row and row[0] == "scipy":
            assert int(ours["gc", "lbfgs", row[2]][6]) <= 1.2 * int(row[3]) + 3


def test_dynamic(tmp_path):
    law = benchmark("dynamic.py", "law", "--iterations", "2").splitlines()
    assert [line.split()[0] for line in law[-4:]] == ["160", "160", "40", "40"]
    np.save(tmp_path / "one.npy", np.tile([1.0, 1, 1, 3], (20, 1)))
    out = benchmark("dynamic.py", "traces", str(tmp_path / "one.npy"), "--copies", "1", "3")
    alone, helped = (line.split()[-5:] for line in out.splitlines()[1:])
    assert alone == ["4", "32", "1", "1.000", "0.00"]
    assert helped[:3] == ["4", "32", "3"]
    assert 4 / (3 + 1 / 3) / 3 <= float(helped[3]) <= 0.5  # perfect split; uncoded takes 3


def test_situations_of_the_planner_are_drawn_from_the_seed(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import planner

    drawn = {
        seed: [planner.situation_of(f"fresh-{kind}", seed) for kind in planner.FRESH]
        for seed in (1, 2)
    }
    assert drawn[1] == [planner.situation_of(f"fresh-{kind}", 1) for kind in planner.FRESH]
    assert all(one != other for one, other in zip(drawn[1], drawn[2], strict=True))
    for every in drawn.values():
        for each in every:
            delays.create(each.delay, 0)
            open_source(each.data, 0)
    assert planner.situation_of("paper", 1) == planner.SITUATIONS["paper"]


def test_estimators():
    pytest.importorskip("sklearn", minversion="1.6")
    out = benchmark("estimators.py", "coefficients", "--data", "diabetes")
    heading, *rows = (line.split() for line in out.splitlines())
    assert heading[4] == "difference" and len(rows) == 12
    assert all(row[0] == "diabetes" and float(row[4]) <= 1e-6 for row in rows)
