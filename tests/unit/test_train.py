"""`coded_dgd.train` in one process: its options are those of `run`, and none is ignored."""

import json
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives.least_squares import LeastSquares

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


def test_resuming_keeps_what_was_configured():
    simulated(out="run", iterations=5, ridge=2.0)
    with pytest.raises(UsageError, match=r"--ridge 3\.0 differs"):
        train(X, X @ BETA, resume="run", ridge=3.0, transport="simulated")


def test_a_run_in_virtual_time_is_resumed_in_virtual_time():
    simulated(out="run", iterations=5)
    with pytest.raises(UsageError, match="--transport mpi differs"):
        train(X, X @ BETA, resume="run", iterations=9)
