"""train(callback=...) is given the record of each iteration, and may stop the run."""

import json
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
RNG = np.random.default_rng(4)
X = RNG.standard_normal((40, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.standard_normal(40)


def trained(callback, **options):
    usual = {"transport": "simulated", "workers": 4, "scheme": "uc-mmc", "load": 2}
    return train(X, Y, callback=callback, **{**usual, "iterations": 8, **options})


def test_it_is_given_every_record():
    records = []
    found = trained(records.append, validation=0.25)
    assert records == found.history and len(records) == 8
    assert all(each.validation["loss"] > 0 and each.gradient_norm > 0 for each in records)
    assert found.summary["stop_reason"] == "iterations"


@pytest.mark.parametrize("true", [True, np.True_])
def test_it_stops_the_run(tmp_path, true):
    out = tmp_path / "r"
    found = trained(lambda record: true if record.iteration == 2 else False, out=out)
    assert found.n_iter_ == 3 == len((out / "iterations.jsonl").read_text().splitlines())
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["stop_reason"], summary["status"]) == ("callback", "stopped by the callback")
    assert summary["warnings"] == []
    assert "stop_reason callback after 3 iterations" in (out / "log.txt").read_text()
    np.testing.assert_array_equal(found.coef_, trained(None, iterations=3).coef_)


def test_a_run_that_was_stopped_is_resumed(tmp_path):
    trained(lambda record: record.iteration == 2, out=tmp_path / "r")
    seen = []
    again = train(X, Y, resume=tmp_path / "r", transport="simulated", callback=seen.append)
    assert [record.iteration for record in seen] == [3, 4, 5, 6, 7]
    np.testing.assert_array_equal(again.coef_, trained(None).coef_)


@pytest.mark.parametrize("answer", [1, "yes", None, 0.5, [True]])
def test_other_answers_do_not_stop_it(answer):
    assert trained(lambda record: answer).n_iter_ == 8


def test_what_it_raises_ends_the_run():
    class Mine(Exception):
        pass

    def fail(record):
        raise Mine("as I like")

    with pytest.raises(Mine, match="as I like"):
        trained(fail)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(UsageError, match="callback is a str: give a function"):
        trained("print")
    assert not Path("runs").exists()
