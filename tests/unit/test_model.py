"""A run hands back a model in the shapes of scikit-learn, and writes it into its folder."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coded_dgd import train
from coded_dgd._version import __version__
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import LinearModel, create
from coded_dgd.problems.objectives.base import Objective
from coded_dgd.problems.preparation import prepare
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource

RNG = np.random.default_rng(8)
X = RNG.standard_normal((40, 3)) * [1, 5, 20] + [3, 0, -100]
Y = X @ [1.0, -2.0, 0.1] + 4
SIGNS = np.sign(X @ [1.0, -0.2, 0.05] + 2)


class Two(LinearModel):
    """Two outputs, whose margins are both to be the label."""

    outputs = 2

    def slope(self, z, y):
        return z - (0 if y is None else y[:, None])

    def losses(self, z, y):
        return ((z - y[:, None]) ** 2).sum(axis=1) / 2


class Bent(Objective):
    """A model that is not linear, with two parameters for each column."""

    def size(self, features):
        return 2 * features

    def gradient(self, X, y, beta, weights):
        return np.zeros(len(beta))

    def loss(self, X, y, beta, weights=None):
        return 0.0


def model(objective="least-squares", y=Y, names=None, **options):
    """The model of parameters 0, 1, 2, ... for prepared data."""
    own = create(objective) if isinstance(objective, str) else objective
    source = ArraySource("data", X, y, "in memory")
    problem = Problem(prepare(source, own, **options), own)
    return Model.of(problem, np.arange(float(problem.parameters)), "its name", "float64"), problem


def test_shapes_are_those_of_scikit_learn():
    shapes = {
        ("least-squares", False): ((3,), ()),
        ("least-squares", True): ((3,), ()),
        ("logistic", False): ((1, 3), (1,)),
        ("logistic", True): ((1, 3), (1,)),
        (Two(), False): ((2, 3), (2,)),
        (Two(), True): ((2, 3), (2,)),
        (Bent(), False): ((6,), ()),
    }
    for (objective, intercept), (coef, level) in shapes.items():
        found, problem = model(objective, SIGNS, intercept=intercept)
        assert (found.coef.shape, found.intercept.shape) == (coef, level)
        assert len(found.parameters) == problem.parameters
        assert found.linear == (coef != (6,))
        if not intercept:
            np.testing.assert_array_equal(found.intercept, np.zeros(level))
            np.testing.assert_array_equal(found.parameters, np.arange(float(problem.parameters)))


@pytest.mark.parametrize("objective", ["least-squares", "logistic", Two()])
@pytest.mark.parametrize("options", [{"intercept": True}, {"standardize": True},
                                     {"intercept": True, "standardize": True}])  # fmt: skip
def test_margins_of_the_data_are_those_of_prepared_data(objective, options):
    found, problem = model(objective, SIGNS, **options)
    prepared, _ = problem.source.read(0, 40)
    beta = np.arange(float(problem.parameters))
    margins = problem.objective.margins(prepared, beta)
    mine = X @ np.atleast_2d(found.coef).T + found.intercept
    np.testing.assert_allclose(mine, margins.reshape(40, -1), rtol=1e-12, atol=1e-12)
    rows = found.parameters.reshape(getattr(problem.objective, "outputs", 1), -1)
    np.testing.assert_array_equal(rows[:, :3], np.atleast_2d(found.coef))


def test_what_a_model_that_is_not_linear_needs_is_kept():
    found, _ = model(Bent(), standardize=True)
    np.testing.assert_allclose(found.scales, X.std(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.parameters, np.arange(6.0))


@pytest.mark.parametrize("objective", ["least-squares", "logistic", Two(), Bent()])
def test_a_model_is_read_as_it_was_written(tmp_path, objective):
    found, _ = model(objective, SIGNS, standardize=True)
    found.write(tmp_path)
    for path in (tmp_path, tmp_path / "model.npz", tmp_path / "model.json"):
        again = Model.read(path)
        for name, value in vars(found).items():
            np.testing.assert_array_equal(getattr(again, name), value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.npz"]


def damaged(change):
    """Change the fields of a model in a folder."""

    def damage(folder):
        with np.load(folder / "model.npz") as archive:
            arrays = dict(archive)
        texts = json.loads((folder / "model.json").read_text())
        change(arrays, texts)
        np.savez(folder / "model.npz", **arrays)
        (folder / "model.json").write_text(json.dumps(texts))

    return damage


DAMAGES = {
    "cut short": lambda folder: (folder / "model.npz").write_bytes(b"PK\3\4"),
    "no text": lambda folder: (folder / "model.json").write_bytes(b"\xff"),
    "no object": lambda folder: (folder / "model.json").write_text("[]"),
    "field missing": damaged(lambda arrays, texts: texts.pop("objective")),
    "field unknown": damaged(lambda arrays, texts: texts.update(other=1)),
    "array missing": damaged(lambda arrays, texts: arrays.pop("coef")),
    "wrong type": damaged(lambda arrays, texts: texts.update(features="3")),
    "no columns": damaged(lambda arrays, texts: texts.update(features=0)),
    "other columns": damaged(lambda arrays, texts: texts.update(features=2)),
    "names": damaged(lambda arrays, texts: texts.update(names=["a"])),
    "NaN": damaged(lambda arrays, texts: arrays["coef"].fill(np.nan)),
    "shape": damaged(lambda arrays, texts: arrays.update(coef=np.zeros((2, 2)))),
    "length": damaged(lambda arrays, texts: arrays.update(parameters=np.zeros(9))),
    "scale": damaged(lambda arrays, texts: arrays["scales"].fill(0.0)),
    "classes": damaged(lambda arrays, texts: arrays.update(classes=np.array([2.0, 1.0]))),
    "objects": damaged(lambda arrays, texts: arrays.update(classes=np.array([{}, None]))),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_in_one_line(tmp_path, damage):
    model(intercept=True, standardize=True)[0].write(tmp_path)
    Model.read(tmp_path)
    DAMAGES[damage](tmp_path)
    with pytest.raises(DataError, match=r"are damaged, or of two models: name the folder of a run"):
        Model.read(tmp_path)


def test_no_model_and_a_newer_one_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "none" / "model.npz"):
        with pytest.raises(DataError, match=r"has no model.json and model.npz: name the folder"):
            Model.read(path)
    model()[0].write(tmp_path)
    damaged(lambda arrays, texts: texts.update(format=2, new=1))(tmp_path)
    with pytest.raises(DataError, match="the model has format 2, and this version reads 1"):
        Model.read(tmp_path)


def test_a_run_folder_has_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(X, columns=["age", "size", "rooms"])
    found = train(
        frame,
        SIGNS,
        objective="logistic",
        scheme="gc",
        load=2,
        transport="simulated",
        workers=4,
        iterations=30,
        out="r",
    )
    kept = Model.read(Path("r"))
    np.testing.assert_array_equal(kept.coef, found.coef_)
    np.testing.assert_array_equal(kept.intercept, found.intercept_)
    np.testing.assert_array_equal(kept.classes, found.classes_)
    np.testing.assert_array_equal(np.load("r/beta.npy"), found.parameters_)
    assert (kept.names, kept.objective) == (("age", "size", "rooms"), "logistic")
    assert (kept.version, kept.features, kept.dtype) == (__version__, 3, "float64")
    assert found.coef_.shape == (1, 3) and found.intercept_.tolist() == [0.0]


def test_names_of_a_table_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(np.column_stack([X[:, :1], Y, X[:, 1:]]), columns=["a", "y", "b", "c"]).to_csv(
        "data.csv", index=False
    )
    given = ["--transport", "simulated", "--workers", "3", "--iterations", "2", "--delay", "none"]
    assert run_command_line(
        ["run", "--data", "data.csv", "--label", "y", "--out", "r", "--quiet", *given]
    ) == 0  # fmt: skip
    assert Model.read(Path("r")).names == ("a", "b", "c")


def test_a_resumed_run_writes_the_model_of_its_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"transport": "simulated", "workers": 4}
    train(X, Y, out="r", iterations=3, **options)
    before = Model.read(Path("r"))
    after = train(X, Y, resume="r", iterations=6, transport="simulated")
    assert not np.array_equal(before.coef, after.coef_)
    np.testing.assert_array_equal(Model.read(Path("r")).coef, after.coef_)
