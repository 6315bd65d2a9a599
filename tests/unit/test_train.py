"""`coded_dgd.train` in one process: its options are those of `run`, and none is ignored."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml
from coded_dgd.delays import create as create_delay
from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.schemes import find

X = np.random.default_rng(0).standard_normal((60, 4))
BETA = np.array([1.0, -2.0, 0.5, 3.0])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def simulated(**options):
    options = {"scheme": "uc-mmc", "load": 2, "iterations": 400} | options
    return train(X, X @ BETA, transport="simulated", workers=4, **options)


def test_a_scheme_is_chosen_as_on_the_command_line():
    result = simulated(scheme="auto", load=None, delay="shifted-exponential:mu=10,alpha=0.01")
    assert result.summary["scheme"] != "auto"
    assert result.summary["planned"]["iteration_time"]["predicted"] > 0
    np.testing.assert_allclose(result.coef_, BETA, atol=1e-6)


def test_it_needs_an_objective_with_a_name():
    with pytest.raises(UsageError, match="--scheme auto plans for objectives that have a name"):
        simulated(scheme="auto", load=None, objective=LeastSquares())


def test_an_objective_of_ones_own_trains_on_a_file():
    class Own(LeastSquares):
        pass

    np.save("data.npy", np.c_[X, X @ BETA])
    options = {"scheme": "uc-mmc", "load": 2, "iterations": 400, "workers": 4}
    result = train(data="data.npy", objective=Own(), transport="simulated", **options)
    np.testing.assert_allclose(result.coef_, BETA, atol=1e-6)


def test_a_run_folder_is_written_where_asked_for_and_can_be_resumed():
    assert simulated().summary["run_folder"] is None
    assert not list(Path.cwd().iterdir())
    first = simulated(out="run", iterations=30, checkpoint_every=10)
    assert first.summary["run_folder"] == "run"
    assert json.loads(Path("run/summary.json").read_text())["iterations"] == 30
    assert len(list(Path("run").glob("*.ckpt"))) == 2
    more = train(
        X, X @ BETA, resume=Path("run"), iterations=60, transport="simulated",
        timeline="run.json", log_dir=Path("logs"), log_level="debug",
    )  # fmt: skip
    assert (more.n_iter_, len(more.history), more.summary["resumed_at"]) == (60, 60, 30)
    np.testing.assert_array_equal(more.coef_, simulated(iterations=60).coef_)
    assert Path("run.json").exists()
    assert "Iteration(" in Path("logs/rank-000.log").read_text()


def test_nothing_is_printed_unless_asked_for(capsys):
    simulated(iterations=3)
    assert capsys.readouterr() == ("", "")
    simulated(iterations=3, quiet=False)
    assert "uc-mmc on 4 workers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"checkpoint_every": 5}, "checkpoint_every needs out=FOLDER"),
        ({"checkpoint_seconds": 5.0}, "checkpoint_seconds needs out=FOLDER"),
        ({"log_level": "debug"}, "log_level does nothing without log_dir"),
        ({"allow_different_workers": True}, "allow_different_workers does nothing without resume"),
        ({"data": "file.npy"}, "X and y, or data"),
        ({"encode": "local"}, "needs data="),
        ({"label": "price"}, "label says how to read a file"),
        ({"header": False}, "header says how to read a file"),
        ({"out": "a", "resume": "b"}, "leave --out out"),
        ({"out": 3}, "out has to be a path, not 3"),
        ({"log_dir": "logs", "log_level": "loud"}, "give one of info, debug"),
        ({"iteration": 3}, r"no option 'iteration' \(did you mean 'iterations'\?\)"),
        ({"json": True}, "no option 'json'"),
        ({"resume": "nothing"}, "is no run folder"),
    ],
    ids=str,
)
def test_an_option_that_does_nothing_or_does_not_exist_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        simulated(**options)
    assert not list(Path.cwd().iterdir())


GIVEN_AS_THEY_ARE = {
    "step_size": [0.01, np.float64(0.01), "0.01", 1 / 100],
    "seed": [3, np.int64(3), np.uint8(3)],
    "iterations": [40, np.int32(40)],
    "ridge": [2, 2.0, np.float32(2), Fraction(2)],
    "check_gradient": [True, np.True_],
    "dtype": ["float32", np.float32, np.dtype("f4")],
    "scheme": ["gc", np.str_("gc")],
    "objective": [LeastSquares, LeastSquares(), "least-squares"],
}


@pytest.mark.parametrize("name", GIVEN_AS_THEY_ARE)
def test_numbers_and_classes_may_be_given_as_what_they_are(name):
    values = GIVEN_AS_THEY_ARE[name]
    first, *others = (simulated(**{"iterations": 40} | {name: value}) for value in values)
    for other in others:
        np.testing.assert_array_equal(other.coef_, first.coef_)


def test_paths_may_be_given_as_such_and_numbers_of_numpy_are_written_down():
    np.save("a.npy", np.c_[X, X @ BETA])
    options = {"transport": "simulated", "workers": 4, "scheme": "sgc", "p": 0.25, "iterations": 9}
    options |= {"step_size": np.float64(0.01), "seed": np.int64(3)}
    result = train(data=Path("a.npy"), out=Path("run"), **options)
    written = RunConfig(**read_toml(Path("run/config.toml")))
    assert (written.data, written.p, written.step_size, written.seed) == (
        "a.npy",
        "0.25",
        "0.01",
        3,
    )
    again = train(resume="run", data=Path("a.npy"), **options | {"iterations": np.int64(12)})
    assert (result.n_iter_, again.n_iter_) == (9, 12)


def test_numbers_are_numbers_in_a_configuration_file():
    Path("own.toml").write_text("step-size = 0.01\np = 0.25\nstop_at = 1e-3\ncopies = 3\n")
    values = read_toml(Path("own.toml"))
    assert values == {"step_size": "0.01", "p": "0.25", "stop_at": 1e-3, "copies": "3"}


@pytest.mark.parametrize("copies", [3, np.int64(3), "3"])
def test_a_number_of_copies_may_be_a_number(copies):
    options = {"transport": "simulated", "workers": 4, "iterations": 2, "scheme": "uc-dynamic"}
    result = train(X, X @ BETA, copies=copies, **options)
    assert result.summary["load"] == 12


class NeedsAnArgument(LeastSquares):
    def __init__(self, factor):
        self.factor = factor


class NotComplete(Objective):
    pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step_size": True}, "train: step_size has to be text or a number, not True"),
        ({"step_size": [0.1]}, r"step_size has to be text or a number, not \[0\.1\]"),
        ({"step_size": 10**400}, "step_size has to be text or a number, not 1000"),
        ({"step_size": 10**5000}, "step_size has to be text or a number, not an object of type in"),
        ({"step_size": float("nan")}, "give auto or a positive number"),
        ({"step_size": None}, "step_size has to be text or a number, not None"),
        ({"seed": 3.0}, r"train: seed has to be a whole number, not 3\.0"),
        ({"iterations": 100.0}, r"iterations has to be a whole number, not 100\.0"),
        ({"iterations": np.True_}, "iterations has to be a whole number, not True"),
        ({"iterations": None}, "iterations has to be a whole number, not None"),
        ({"workers": "4"}, "workers has to be a whole number, not '4'"),
        ({"ridge": Fraction(10**400)}, "ridge has to be a number, not Fraction"),
        ({"ridge": np.array([1.0, 2.0])}, "ridge has to be a number, not array"),
        ({"check_gradient": 1}, "check_gradient has to be true or false, not 1"),
        ({"checkpoint_every": np.array([1, 2])}, "checkpoint_every has to be a whole number"),
        ({"scheme": find("gc")[0]}, 'scheme has to be text.*: give a name, or "MODULE:CLASS"'),
        ({"delay": create_delay("none", 0)}, 'delay has to be text.*: give text such as "shifted'),
        ({"wait": 0.5}, 'wait has to be text, not 0.5: give "all", "fastest:K" or "deadline'),
        ({"data": X}, "data has to be text.*: give a path, or the arrays themselves as train"),
        (
            {"objective": NeedsAnArgument},
            "NeedsAnArgument cannot be made without arguments.*: give",
        ),
        ({"objective": NotComplete}, "NotComplete cannot be made without arguments"),
        ({"objective": 3}, "objective has to be text, not 3: give a name, an Objective, or a cla"),
        ({"objective": list[int]}, "objective has to be text"),
        ({"transport": "mip"}, "--transport: give one of mpi, simulated"),
        ({"transport": np.array(["mpi", "mpi"])}, "transport has to be text"),
        ({"encode": np.array([1, 2])}, "encode has to be text"),
        ({"dtype": int}, "--dtype: give one of float64, float32"),
        ({"quiet": None}, "train: quiet has to be true or false, not None"),
        ({"log_level": np.array([1, 2]), "log_dir": "logs"}, "log_level has to be text"),
        ({"out": "a\0b"}, "out is no path"),
        ({"out": np.eye(3)}, "out has to be a path, not array"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_line(options, said):
    with pytest.raises(UsageError, match=said) as caught:
        train(X, X @ BETA, **{"transport": "simulated", "workers": 4, "iterations": 2} | options)
    assert "\n" not in str(caught.value)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((X,), "X and y together"),
        ((None, X @ BETA), "X and y together"),
        ((X, X @ BETA, "gc"), "all else by name"),
        (("data.npy", X @ BETA), "X is text: give an array, or name a file with data="),
        ((X @ BETA, X), "they seem to have changed places"),
    ],
    ids=["no y", "no X", "three", "a path", "exchanged"],
)
def test_arguments_by_position(given, said):
    with pytest.raises(UsageError, match=said):
        train(*given, transport="simulated", workers=4)


def test_resuming_keeps_what_was_configured():
    simulated(out="run", iterations=5, ridge=2.0)
    with pytest.raises(UsageError, match=r"--ridge 3\.0 differs"):
        train(X, X @ BETA, resume="run", ridge=3.0, transport="simulated")


def test_a_run_in_virtual_time_is_resumed_in_virtual_time():
    simulated(out="run", iterations=5)
    with pytest.raises(UsageError, match="--transport mpi differs"):
        train(X, X @ BETA, resume="run", iterations=9)
