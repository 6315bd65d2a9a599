"""The figures of the papers: the same numbers in every file, and claims that can fail."""

import csv
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from coded_dgd import __version__, reproduce
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.reproduce import _files, _sgc, sgc_fig1, sgc_fig2
from coded_dgd.reproduce._sgc import (
    ALGORITHMS,
    BGC,
    ERASUREHEAD,
    IGNORE,
    PRINTED,
    SEND_ALL,
    SGC,
    UNBIASED,
    Experiment,
    TrainingCase,
    is_less,
    ratio,
)
from coded_dgd.reproduce.base import Claim, FigureResult, Number, all_of

every_figure = pytest.mark.parametrize("name", reproduce.names())
SMALL = Experiment(rows=60, features=4, workers=20, iterations=60, repetitions=4)


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "coded_dgd", "reproduce", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


# Whole figures through the command line


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Folder and stdout of one quick command for all figures."""
    folder = tmp_path_factory.mktemp("reproduce")
    done = command("all", "--quick", "--out", "made", "--jobs", "2", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "made", json.loads(done.stdout), done.stderr


def numbers(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_the_figures_of_both_papers_and_the_traces_are_there():
    assert reproduce.names() == ["mmc-fig1", "mmc-fig2", "sgc-fig1", "sgc-fig2", "traces"]


def test_all_is_all(everything):
    folder, printed, _ = everything
    assert [each["figure"] for each in printed["figures"]] == reproduce.names()
    assert (printed["seed"], printed["quick"]) == (0, True)
    names = {
        f"{name}.{kind}" for name in reproduce.names() for kind in ("csv", "json", "png", "svg")
    }
    assert {file.name for file in folder.iterdir()} == {*names, "claims.md", "traces-table.csv"}


@every_figure
def test_json_says_what_csv_says(everything, name):
    folder, _, _ = everything
    plotted = numbers(folder, name)
    rows = [
        (panel["title"], series["label"], x, y, error)
        for panel in plotted["panels"]
        for series in panel["series"]
        for x, y, error in zip(
            series["x"],
            series["y"],
            series["standard_error"] or [None] * len(series["x"]),
            strict=True,
        )
    ]
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert rows == [
        (
            row["panel"],
            row["series"],
            float(row["x"]),
            float(row["y"]),
            float(row["standard_error"]) if row["standard_error"] else None,
        )
        for row in read
    ]


@every_figure
def test_every_series_is_complete(everything, name):
    folder, _, _ = everything
    plotted = numbers(folder, name)
    assert plotted["figure"] == name
    assert plotted["version"] == __version__
    assert plotted["seed"] == 0
    assert plotted["parameters"]
    assert plotted["panels"]
    for panel in plotted["panels"]:
        assert panel["x"] and panel["y"]
        labels = [series["label"] for series in panel["series"]]
        assert len(set(labels)) == len(labels) > 0
        for series in panel["series"]:
            x, y = np.array(series["x"]), np.array(series["y"])
            assert len(x) == len(y) > 0
            assert np.isfinite(y).all()
            assert (np.diff(x) > 0).all()
            if series["standard_error"] is not None:
                assert np.isfinite(series["standard_error"]).all()
                assert (np.array(series["standard_error"]) >= 0).all()


@every_figure
def test_plots_can_be_opened(everything, name):
    from matplotlib.image import imread

    folder, _, _ = everything
    image = imread(folder / f"{name}.png")
    assert min(image.shape[:2]) >= 600
    assert image[..., :3].std() > 0.05  # not blank
    root = ElementTree.parse(folder / f"{name}.svg").getroot()
    assert root.tag.endswith("svg")


@every_figure
def test_claims_are_in_all_places(everything, name):
    folder, printed, said = everything
    claims = numbers(folder, name)["claims"]
    assert claims
    (figure,) = [each for each in printed["figures"] if each["figure"] == name]
    assert figure["claims"] == claims
    assert figure["seconds"] > 0
    text = (folder / "claims.md").read_text(encoding="utf-8")
    assert f"## {name}" in text
    for claim in claims:
        assert claim["holds"] in (True, False, None)
        assert claim["numbers"]
        for words in (claim["claim"], claim["where"], claim["criterion"], claim["quantity"]):
            assert words
            assert words.replace("|", "\\|") in text
        assert claim["claim"] in said


def test_the_series_of_the_sgc_figures(everything):
    folder, _, _ = everything
    (panel,) = numbers(folder, "sgc-fig2")["panels"]
    assert [series["label"] for series in panel["series"]] == list(ALGORITHMS)
    for series in panel["series"]:
        assert series["x"] == [k / 10 for k in range(10)]
    at_p, other_p = numbers(folder, "sgc-fig1")["panels"]
    assert [series["label"] for series in at_p["series"]] == list(ALGORITHMS)
    assert len(other_p["series"]) == 10
    for series in (*at_p["series"], *other_p["series"]):
        assert (series["x"][0], series["x"][-1]) == (1, 500)


def test_the_figures_agree_where_they_show_the_same(everything):
    folder, _, _ = everything
    (final,) = numbers(folder, "sgc-fig2")["panels"]
    at_p, _ = numbers(folder, "sgc-fig1")["panels"]
    for one, other in zip(at_p["series"], final["series"], strict=True):
        assert one["y"][-1] == pytest.approx(other["y"][7], rel=1e-9)
        assert one["standard_error"][-1] == pytest.approx(other["standard_error"][7], rel=1e-6)


# The command


@pytest.fixture
def small(monkeypatch):
    """The figures of the SGC paper, so small that they take no time."""

    def create(figure, seed, quick):
        figure.seed, figure.quick, figure.experiment = seed, quick, SMALL

    monkeypatch.setattr(_sgc.SGCFigure, "__init__", create)


def test_a_folder_that_exists_is_not_written_to(small, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    code = run_command_line(["reproduce", "sgc-fig2", "--out", str(tmp_path / "mine")])
    assert code == 2
    assert "name a new folder" in capsys.readouterr().err
    assert not list((tmp_path / "mine").iterdir())


def test_no_empty_folder_is_left_behind(small, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(sgc_fig2.SGCFig2, "compute", fail)
    out = tmp_path / "new"
    with pytest.raises(RuntimeError, match="out of luck"):
        run_command_line(["reproduce", "sgc-fig2", "--jobs", "1", "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sgc-fig3"], "sgc-fig2"),
        ([], "sgc-fig1"),
        (["sgc-fig1", "--jobs", "0"], "--jobs"),
        (["sgc-fig1", "--seed", "-1"], "--seed"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys):
    assert run_command_line(["reproduce", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_quiet_says_nothing(small, tmp_path, capsys):
    out = tmp_path / "new"
    arguments = ["reproduce", "sgc-fig2", "--jobs", "1", "--out", str(out), "--quiet"]
    assert not run_command_line(arguments)
    assert capsys.readouterr() == ("", "")
    assert (out / "sgc-fig2.png").exists()


def test_numbers_are_there_without_matplotlib(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "new"
    assert not run_command_line(["reproduce", "sgc-fig2", "--jobs", "1", "--out", str(out)])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "matplotlib" in line]
    assert "pip install matplotlib" in line
    assert sorted(file.name for file in out.iterdir()) == [
        "claims.md",
        "sgc-fig2.csv",
        "sgc-fig2.json",
    ]


def test_help_imports_neither_scipy_nor_matplotlib():
    program = (
        "import sys; from coded_dgd.cli import run_command_line; "
        "run_command_line(['reproduce', '--help']); "
        "print([name for name in ('scipy', 'matplotlib', 'mpi4py') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# The experiment of the SGC paper


@pytest.mark.parametrize("name", ["sgc-fig1", "sgc-fig2"])
def test_the_numbers_are_the_same_for_any_number_of_processes(small, name):
    done = []
    alone, together = (reproduce.create(name, seed=5) for _ in range(2))
    first = reproduce.compute(alone, 1, lambda: done.append(None))
    second = reproduce.compute(together, 3)
    assert len(done) == SMALL.repetitions
    described = [_files.describe(name, alone, first), _files.describe(name, together, second)]
    assert described[0] == described[1]
    other = reproduce.create(name, seed=6)
    assert _files.describe(name, other, reproduce.compute(other)) != described[0]


def test_the_papers_size_is_the_default():
    for name in ("sgc-fig1", "sgc-fig2"):
        parameters = reproduce.create(name).parameters
        expected = {
            "rows": 1000,
            "features": 100,
            "workers": 100,
            "redundancy": 2,
            "iterations": 5000,
            "repetitions": 10,
            "step size": "power-law",
        }
        assert parameters.items() >= expected.items()
    assert parameters["p"] == [k / 10 for k in range(10)]


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_a_repetition_is_placed_as_a_run_with_its_seed(algorithm):
    name, options = ALGORITHMS[algorithm]
    data = f"synthetic:rows={SMALL.rows},features={SMALL.features}"
    config = RunConfig(scheme=name, workers=SMALL.workers, seed=23, p="0.4", data=data, **options)
    problem = Problem(open_source(data, 23), objectives.create("least-squares"))
    of_a_run = prepare(config, None).scheme
    of_a_run.fit(SMALL.rows, problem.block_norms)
    scheme = SMALL._scheme(TrainingCase(algorithm, 0.4), 23, problem)
    assert scheme.blocks == of_a_run.blocks
    for worker in range(SMALL.workers):
        np.testing.assert_array_equal(scheme.held(worker), of_a_run.held(worker))
    finished = np.random.default_rng(0).random((9, SMALL.workers)) > 0.4
    np.testing.assert_array_equal(scheme.block_weights(finished), of_a_run.block_weights(finished))


def test_stragglers_are_independent_with_probability_p_and_the_same_at_larger_p():
    experiment = Experiment(iterations=1000, workers=50)
    finished = np.concatenate(list(experiment._patterns(4, [0.0, 0.3, 0.9])), axis=1)
    assert finished.shape == (3, 1000, 50)
    assert finished[0].all()
    assert not (finished[2] & ~finished[1]).any()
    for p, pattern in zip((0.3, 0.9), finished[1:], strict=True):
        standard_error = np.sqrt(p * (1 - p) / pattern.size)
        assert abs(pattern.mean() - (1 - p)) < 4 * standard_error
        counts = pattern.sum(axis=1)
        assert counts.var() == pytest.approx(50 * p * (1 - p), rel=0.2)
    again = np.concatenate(list(experiment._patterns(5, [0.3])), axis=1)
    assert (again[0] != finished[1]).mean() > 0.3


def test_nobody_missing_is_gradient_descent_for_all_algorithms():
    errors = SMALL.run(0, 0, [TrainingCase(algorithm, 0.0) for algorithm in ALGORITHMS])
    assert errors.shape == (len(ALGORITHMS), SMALL.iterations + 1)
    np.testing.assert_allclose(errors, np.broadcast_to(errors[0], errors.shape), rtol=1e-6)
    same = [TrainingCase(SGC, 0.5)] * 2
    first, second = (SMALL.run(0, repetition, same) for repetition in (0, 1))
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0, 1:] != second[0, 1:]).all()


# How means are compared


def test_ratio_is_that_of_the_means_with_its_standard_error():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        common = rng.normal(1, 0.1, 10)
        found.append(ratio(2 * common + rng.normal(0, 0.05, 10), common))
    values = np.array([each.value for each in found])
    assert values.mean() == pytest.approx(2, rel=0.01)
    stated = np.mean([each.standard_error for each in found])
    assert stated == pytest.approx(values.std(), rel=0.1)


def test_less_is_decided_or_not():
    rng = np.random.default_rng(1)
    common = np.exp(rng.normal(0, 0.5, (10, 3)))
    noise = np.exp(rng.normal(0, 0.05, (10, 3)))
    a, b = common, common * noise
    assert is_less(a, 1.3 * b) is True
    assert is_less(1.3 * b, a) is False
    assert is_less(a, b) is None
    assert is_less(a, b, factor=1.3) is False
    assert is_less(a, 1.3 * b, factor=1.5) is False
    assert is_less(a, b * [1.3, 1.3, 0.7]) is False  # the other way round in one case
    assert is_less(a, b * [1.3, 1.3, 0.99]) is None


def test_all_of_verdicts():
    assert all_of([True, True]) is True
    assert all_of([True, None]) is None
    assert all_of([None, False, True]) is False


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(1.2345), "1.23"),
        (Number(1.2345, 0.0456), "1.234 ± 0.046"),
        (Number(500.2, 101.3), "500 ± 101"),
        (Number(4.02e8, 1.1e8), "4.02e+08 ± 1e+08"),
        (Number(2e-15, 1e-15), "2e-15 ± 1e-15"),
    ],
)
def test_numbers_in_words(number, text):
    assert str(number) == text


def test_json_and_markdown_take_any_claim(tmp_path):
    claim = Claim("a | b", "here", "c", None, "q", {"": Number(np.inf, np.nan)}, "why")
    assert _files.describe_claim(claim)["numbers"][""] == {"value": None, "standard_error": None}
    row = _files.claims_table(FigureResult([], [claim]))[-1]
    assert row.startswith("| a \\| b (here) | c | q: inf")
    assert row.endswith("| undecided. why |")


# Claims of Figure 2: from numbers as the paper has them all hold, and each can fail


P = np.array(sgc_fig2.EVERY_P)
AS_IN_THE_PAPER = {
    SGC: 1 + P,
    BGC: 1.5 * (1 + P),
    IGNORE: 2 * (1 + P),
    SEND_ALL: np.minimum(2 * P, 1.9 * (1 + P)) + 1e-9,
    PRINTED: np.minimum(2 * P, 1.9 * (1 + P)) + 1e-9,
    ERASUREHEAD: np.where(P < 0.75, P, 50 * P) + 1e-9,
    UNBIASED: 1.5 * P + 1e-9,
}


def samples(levels, noise=0.02, seed=0):
    """Repetitions around these levels: (10, len(levels)) each."""
    rng = np.random.default_rng(seed)
    return {
        name: level * np.exp(rng.normal(0, noise, (10, len(level))))
        for name, level in levels.items()
    }


def fig2_claims(last=None, tenth=None, noise=0.02, workers=100, redundancy=2):
    levels = AS_IN_THE_PAPER | (last or {})
    early = {name: 5 * level for name, level in levels.items()}
    early[ERASUREHEAD] = 100 * levels[ERASUREHEAD]
    found = sgc_fig2.claims(
        samples(early | (tenth or {}), noise), samples(levels, noise), workers, redundancy
    )
    return [claim.holds for claim in found]


CLAIMS_2 = [
    "improves",
    "lower bound",
    "lower bound as printed",
    "gap decreases",
    "almost matches",
    "erasurehead is best",
    "erasurehead deteriorates",
    "fastest few",
    "outperforms erasurehead",
    "outperforms bgc",
]


def test_all_claims_of_figure_2_hold_for_numbers_as_the_paper_has_them():
    assert fig2_claims() == [True] * len(CLAIMS_2)


CONTRADICTIONS_2 = [
    ("improves", {"last": {IGNORE: 0.8 * (1 + P)}}),
    ("improves", {"last": {IGNORE: np.where(P == 0.5, 0.8, 2) * (1 + P)}}),
    ("improves", {"redundancy": 11}),
    ("lower bound", {"last": {SEND_ALL: 1.2 * (1 + P)}}),
    ("lower bound as printed", {"last": {PRINTED: 1.2 * (1 + P)}}),
    ("gap decreases", {"last": {SEND_ALL: (1 + P) / 1.3}}),
    ("gap decreases", {"last": {SEND_ALL: np.where(P == 0.6, 0.4, 1) * 2 * P + 1e-9}}),
    ("almost matches", {"last": {SEND_ALL: P + 1e-9}}),
    ("erasurehead is best", {"last": {ERASUREHEAD: 4 * P + 1e-9}}),
    ("erasurehead deteriorates", {"last": {ERASUREHEAD: P + 1e-9}}),
    ("erasurehead deteriorates", {"last": {ERASUREHEAD: 50 * P + 1e-9}}),
    ("fastest few", {"tenth": {SGC: 50 * (1 + P)}}),
    ("fastest few", {"tenth": {ERASUREHEAD: 100 * P + 1e-9}}),
    ("outperforms erasurehead", {"last": {ERASUREHEAD: P + 1e-9}}),
    ("outperforms bgc", {"last": {BGC: 1 + P}}),
]


@pytest.mark.parametrize(("claim", "numbers"), CONTRADICTIONS_2)
def test_a_claim_of_figure_2_fails_where_the_numbers_contradict_it(claim, numbers):
    assert fig2_claims(**numbers)[CLAIMS_2.index(claim)] is False


def test_much_noise_decides_nothing_that_is_about_differences():
    found = dict(zip(CLAIMS_2, fig2_claims(noise=5.0), strict=True))
    for claim in ("lower bound", "erasurehead is best", "outperforms bgc"):
        assert found[claim] is None


# Claims of Figure 1


T = 5000
STEPS = np.append(0, np.cumsum(np.arange(1.0, T + 1) ** -0.7))
FLOOR = np.append(1, np.arange(1.0, T + 1) ** -0.7)


def fig1_claims(**changed):
    """Verdicts for an exponential decay onto a floor; the floor of ignore-stragglers is 2 times."""
    curves = {sgc_fig1.EXACT: 4e3 * np.exp(-STEPS)}
    for p in sgc_fig1.EVERY_P:
        curves[TrainingCase(SGC, p)] = curves[sgc_fig1.EXACT] + p * FLOOR / 10
        curves[TrainingCase(IGNORE, p)] = 1.3 * curves[sgc_fig1.EXACT] + 2 * p * FLOOR / 10
    curves |= changed.get("curves", {})
    rng = np.random.default_rng(0)
    errors = {case: curve * np.exp(rng.normal(0, 0.1, (10, 1))) for case, curve in curves.items()}
    return [claim.holds for claim in sgc_fig1.claims(errors)]


CLAIMS_1 = ["decays", "has a floor", "same rate", "lower floor"]


def test_all_claims_of_figure_1_hold_for_curves_as_the_paper_has_them():
    assert fig1_claims() == [True] * len(CLAIMS_1)


def decaying(rate, floor, p):
    return 4e3 * np.exp(-rate * STEPS) + floor * p * FLOOR / 10


CONTRADICTIONS_1 = [
    ("decays", {TrainingCase(SGC, 0.5): 4e3 * np.arange(1.0, T + 2) ** -2.5}),  # a power law
    ("decays", {TrainingCase(SGC, 0.1): decaying(0.9, 1, 0.1)}),
    ("decays", {TrainingCase(SGC, 0.9): 0 * STEPS + 1}),
    ("has a floor", {TrainingCase(SGC, 0.3): 4e3 * np.exp(-STEPS)}),
    ("has a floor", {TrainingCase(SGC, 0.3): decaying(1, 1, 0.3) * np.arange(1.0, T + 2) ** -0.5}),
    ("same rate", {TrainingCase(IGNORE, 0.7): decaying(0.9, 2, 0.7)}),
    ("lower floor", {TrainingCase(IGNORE, p): decaying(1, 0.9, p) for p in sgc_fig1.EVERY_P}),
    ("lower floor", {TrainingCase(IGNORE, 0.7): decaying(1, 0.7, 0.7)}),
]


@pytest.mark.parametrize(("claim", "curves"), CONTRADICTIONS_1)
def test_a_claim_of_figure_1_fails_where_the_curves_contradict_it(claim, curves):
    assert fig1_claims(curves=curves)[CLAIMS_1.index(claim)] is False
