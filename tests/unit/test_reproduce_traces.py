"""Every scheme on recorded stragglers: what is shipped, what is found, and claims that can fail."""

import csv
import json
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import delays, reproduce, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.reproduce import _replayed_schemes, _straggler_traces
from coded_dgd.reproduce._reference_times import (
    PERFECT,
    REFERENCES,
    SHARES,
    by_speed,
    of_the_median,
    perfectly_split,
    reference,
)
from coded_dgd.reproduce._replayed_schemes import (
    APPROXIMATE,
    CODING,
    COPIES,
    LARGEST_ERROR,
    REFERENCE,
    TOLD,
    UNCODED,
    Row,
    best,
    rows_of,
)
from coded_dgd.reproduce._straggler_traces import SHIPPED, given, usual
from coded_dgd.reproduce._traces_claims import claims
from coded_dgd.theory.replay import completion_times

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def saved(folder, times, name="mine"):
    np.save(folder / f"{name}.npy", times)
    return str(folder / f"{name}.npy")


def opened(folder, times, quick=False):
    (trace,) = given([saved(folder, times)], quick)
    return trace


# The traces


def test_the_shipped_trace_is_a_delay():
    trace = delays.create(f"trace:{SHIPPED},per=share", 0)
    assert trace.times.shape == (43, 32)
    assert np.median(trace.times) == pytest.approx(1)
    slowest = completion_times(schemes.create("uncoded", 32), trace, 43)
    np.testing.assert_array_equal(slowest, trace.times.max(axis=1))


def test_the_shipped_trace_names_source_licence_and_changes():
    notice = SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
    for words in ("ByteDance-Seed/StragglerAnalysis", "trace-SE.parquet", "Copyright", "Changes"):
        assert words in notice
    licence = SHIPPED.with_name("LICENSE-Apache-2.0.txt")
    assert licence.name in notice
    assert "Version 2.0, January 2004" in licence.read_text(encoding="utf-8")


def test_a_wheel_contains_the_shipped_trace():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["coded_dgd"]
    for file in SHIPPED.parent.iterdir():
        path = file.relative_to(ROOT / "coded_dgd").as_posix()
        assert any(fnmatch(path, pattern) for pattern in patterns)


def test_the_law_is_that_of_the_papers_and_follows_the_seed():
    law, shipped = usual(3, quick=True)
    assert (law.workers, shipped.workers) == (40, 32)
    drawn = delays.create("shifted-exponential:mu=10,alpha=0.01", 3)
    np.testing.assert_array_equal(
        law.finish(np.ones(1)), drawn.trace(law.iterations, 40, np.ones(1))
    )
    assert (usual(4, quick=True)[0].finish(np.ones(1)) != law.finish(np.ones(1))).all()


def test_long_traces_are_cut_and_short_ones_have_short_blocks(tmp_path):
    long = opened(tmp_path, np.ones((4000, 10)))
    assert (long.iterations, long.block) == (2400, 50)
    assert opened(tmp_path, np.ones((4000, 10)), quick=True).iterations == 80
    short = opened(tmp_path, np.ones((43, 10)))
    assert (short.iterations, short.block) == (43, 7)


def test_traces_of_one_name_are_told_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        saved(tmp_path / folder, np.ones((12, 3)))
    found = given([str(tmp_path / folder / "mine.npy") for folder in ("a", "b")], True)
    assert [each.label for each in found] == ["a/mine.npy", "b/mine.npy"]


BAD = {
    "missing": None,
    "text": "hello",
    "one row": np.ones(30),
    "few iterations": np.ones((11, 4)),
    "one worker": np.ones((30, 1)),
    "never": np.where(np.eye(30, 4) > 0, np.inf, 1.0),
    "no time": np.zeros((30, 4)),
    "not a number": np.full((30, 4), np.nan),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_trace_is_one_line_before_anything_is_computed(fault, tmp_path, capsys):
    file = tmp_path / "bad.npy"
    if fault == "text":
        file.write_text(BAD[fault])
    elif BAD[fault] is not None:
        np.save(file, BAD[fault])
    out = tmp_path / "out"
    assert run_command_line(["reproduce", "traces", "--trace", str(file), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad.npy" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mmc-fig1", "--trace", "a.npy"], "--trace means nothing to mmc-fig1"),
        (["traces", "--trace", str(SHIPPED), "--trace", str(SHIPPED)], "given twice"),
    ],
)
def test_a_trace_out_of_place_is_one_line(arguments, words, capsys):
    assert run_command_line(["reproduce", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_all_figures_may_be_given_traces_of_which_one_replays_them():
    assert reproduce.replaying() == ["traces"]


# References


def test_work_split_perfectly_is_the_harmonic_mean(tmp_path):
    times = np.random.default_rng(0).exponential(1.0, (20, 5)) + 0.1
    trace = opened(tmp_path, times)
    np.testing.assert_allclose(perfectly_split(trace), 5 / (1 / times).sum(axis=1))
    np.testing.assert_array_equal(of_the_median(trace), np.median(times, axis=1))


def test_an_overhead_is_paid_in_a_perfect_split(tmp_path):
    finish = np.broadcast_to(1 + 0.5 * np.arange(1, 6.0), (20, 5, 5))
    np.testing.assert_allclose(perfectly_split(opened(tmp_path, finish)), 1.5)


def test_shares_by_speed_are_perfect_once_lasting_speeds_are_known(tmp_path):
    trace = opened(tmp_path, np.tile([1.0, 2.0, 4.0, 1.0], (30, 1)))
    times = by_speed(trace)
    assert times[0] == 4
    np.testing.assert_allclose(times[2:], perfectly_split(trace)[2:], rtol=1e-3)


def test_shares_beyond_what_was_recorded_are_no_reference(tmp_path):
    one = np.broadcast_to(np.array([1.0, 2.0, 4.0, 1.0])[:, None], (30, 4, 1))
    trace = opened(tmp_path, one)
    assert reference(SHARES, trace) is None
    assert reference(PERFECT, trace) is None


# The best variant of a scheme


@pytest.fixture(scope="module")
def law():
    """A few iterations of the papers' law."""
    return usual(0, quick=True)[0]


def test_there_is_a_row_for_every_scheme():
    rows = rows_of(10)
    assert {*schemes.names()} < {*rows}
    assert rows["lcc-mmc-K"] == ["lcc-mmc-2", "lcc-mmc-5"]


@pytest.mark.parametrize("name", rows_of(40))
def test_the_best_variant_is_exact_or_about_right(law, name):
    row = best(name, law, 0, quick=True)
    exact = schemes.find(row.name)[0].exact
    assert (row.error == 0) == exact
    assert row.error <= LARGEST_ERROR + 1e-9
    assert (row.kind == APPROXIMATE) == (not exact)
    assert row.times.shape == (law.iterations,)
    assert row.messages >= 1


def test_kinds_of_rows(law):
    kinds = {"uncoded": UNCODED, "uc-mmc": COPIES, "uc-dynamic": TOLD, "gc": CODING}
    kinds |= {"mds-mmc": CODING, "sgc": APPROXIMATE}
    assert {name: best(name, law, 0, quick=True).kind for name in kinds} == kinds


def test_a_variant_that_does_not_decode_in_floating_point_is_not_chosen(law, monkeypatch):
    monkeypatch.setattr(_replayed_schemes, "DEFAULT_GUARDS", {"float64": 0.5})
    assert best("mds-mmc", law, 0, quick=True) is None
    assert best("uc-mmc", law, 0, quick=True) is not None


def test_a_trace_of_few_tasks_limits_the_load(tmp_path):
    finish = np.random.default_rng(0).exponential(1.0, (20, 6, 2)).cumsum(axis=2)
    row = best("uc-mmc", opened(tmp_path, finish), 0, quick=False)
    assert row.load * 6 / row.blocks <= 2


# Claims


REDUNDANCY, CODED, UNTOLD, BY_SPEED, ONLY = range(5)


def verdicts(trace):
    rows = [best(name, trace, 0, True) for name in rows_of(trace.workers)]
    rows += [reference(name, trace) for name in REFERENCES]
    return [each.holds for each in claims("mine", [r for r in rows if r], trace.block)]


def test_rare_heavy_stragglers_call_for_redundancy_and_coding(tmp_path):
    rng = np.random.default_rng(0)
    times = np.where(rng.random((60, 12)) < 0.08, 10.0, 1.0) + 0.01 * rng.random((60, 12))
    found = verdicts(opened(tmp_path, times))
    assert found[REDUNDANCY] is True
    assert found[UNTOLD] is True
    assert found[BY_SPEED] is False
    assert found[ONLY] is False


def test_lasting_speeds_call_for_shares(tmp_path):
    rng = np.random.default_rng(0)
    times = np.linspace(1, 3, 8) * (1 + 0.01 * rng.random((60, 8)))
    found = verdicts(opened(tmp_path, times))
    assert found[REDUNDANCY] is False
    assert found[BY_SPEED] is True
    assert found[ONLY] is False


def test_mild_noise_leaves_only_approximation(tmp_path):
    rng = np.random.default_rng(0)
    times = 1 + 0.002 * rng.random((60, 12))
    times[np.arange(60), rng.integers(12, size=60)] = 1.08  # less than a block of others takes
    assert verdicts(opened(tmp_path, times)) == [False, False, False, False, True]


def decided(noise=0.01, **changed):
    """Verdicts given the time of each row; by default each claim but the last one holds."""
    kinds = {"uncoded": UNCODED, "uc-mmc": COPIES, "uc-dynamic": TOLD, "gc": CODING}
    kinds |= {"uc-mmc-pg": APPROXIMATE, SHARES: REFERENCE}
    means = {"uncoded": 1.0, "uc-mmc": 0.8, "uc-dynamic": 0.5, "gc": 0.3, "uc-mmc-pg": 0.5}
    means |= {SHARES: 0.9} | {key.replace("_", "-"): mean for key, mean in changed.items()}
    if "shares" in means:
        means[SHARES] = means.pop("shares")
    rng = np.random.default_rng(0)
    rows = [
        Row(name, kind, means[name] * (1 + noise * rng.normal(size=60)))
        for name, kind in kinds.items()
        if means[name] is not None
    ]
    return [each.holds for each in claims("mine", rows, 5)]


MILD = {"gc": 1.0, "uc_mmc": 0.99, "uc_dynamic": 0.98}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, [True, True, True, False, False]),
        ({"gc": 0.49}, [True, False, True, False, False]),  # as fast as copies that are told
        ({"gc": 0.79}, [True, False, False, False, False]),  # as fast as copies
        ({"shares": 0.3}, [False, True, True, True, False]),
        ({"shares": 0.29}, [False, True, True, True, False]),
        ({"shares": 0.33}, [True, True, True, False, False]),
        (MILD | {"shares": 1.0}, [False] * 4 + [True]),
        (MILD | {"shares": 0.8}, [False] * 3 + [True, False]),
        (MILD | {"shares": 1.0, "uc_mmc_pg": 1.0}, [False] * 5),
        ({"shares": None}, [True, True, True, False]),
    ],
)
def test_each_claim_holds_or_fails_by_its_criterion(times, expected):
    assert decided(**times) == expected


def test_noise_decides_nothing():
    assert decided(noise=3.0)[ONLY] is not True
    assert None in decided(noise=3.0, gc=0.48)


def test_a_coded_scheme_for_some_objectives_is_named_as_one():
    times = np.ones(12)
    rows = [
        Row("uncoded", UNCODED, times),
        Row("uc-mmc", COPIES, 0.9 * times),
        Row("mds-mmc", CODING, 0.5 * times, "", 40, 2),
        Row("gc", CODING, 0.7 * times, "", 40, 2),  # proportional but for rounding
        Row("uc-mmc-pg", APPROXIMATE, times),
    ]
    remark = claims("mine", rows, 2)[CODED].remark
    assert "least squares alone" in remark
    assert "0.7 of the time of uncoded: gc (N 40, load 2)" in remark


# Files


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Folders of two runs of one command, with different numbers of processes."""
    folder = tmp_path_factory.mktemp("traces")
    rng = np.random.default_rng(0)
    files = [saved(folder, rng.exponential(1.0, (20, 4)) + 0.1)]
    files.append(saved(folder, rng.exponential(1.0, (20, 4, 5)).cumsum(axis=2), "other"))
    made = []
    for jobs in ("1", "2"):
        made.append(folder / f"jobs{jobs}")
        arguments = ["reproduce", "traces", "--quick", "--jobs", jobs, "--out", str(made[-1])]
        arguments += [each for file in files for each in ("--trace", file)]
        assert not run_command_line(arguments)
    return made


def test_two_runs_write_the_same_bytes(written):
    first, second = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in written)
    assert {"traces.json", "traces-table.csv", "traces.png", "claims.md"} < {*first}
    assert first == second


def test_the_table_is_the_same_in_all_files(written):
    table = json.loads((written[0] / "traces.json").read_text(encoding="utf-8"))["table"]
    with (written[0] / "traces-table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [{key: "" if v is None else str(v) for key, v in row.items()} for row in table] == rows
    assert {row["trace"] for row in rows} == {"papers' law", "bytedance_se", "mine", "other"}
    text = (written[0] / "claims.md").read_text(encoding="utf-8")
    for row in table:
        assert f"| {row['trace']} | {row['scheme']} | {row['kind']} |" in text
    uncoded = [row for row in table if row["scheme"] == "uncoded"]
    assert [row["time / uncoded"] for row in uncoded] == [1.0] * 4


def test_no_machine_is_named(written):
    for file in ("traces.json", "traces-table.csv", "claims.md"):
        assert str(written[0].parent) not in (written[0] / file).read_text(encoding="utf-8")


def test_the_largest_sizes_are_said(written):
    parameters = json.loads((written[0] / "traces.json").read_text(encoding="utf-8"))["parameters"]
    assert "mine (M = 4, the first 20 iterations)" in parameters["traces"]
    assert parameters["law"] == _straggler_traces.LAW
