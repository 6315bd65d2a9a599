"""The summary of a run, written as JSON and read again."""

import json

import pytest

from coded_dgd.app.running import Records, run
from coded_dgd.config import RunConfig
from coded_dgd.runs.summary import Summary

OPTIONS = {"transport": "simulated", "workers": 4, "load": 2, "iterations": 3}


@pytest.fixture(scope="module")
def summary():
    config = RunConfig(**OPTIONS, data="synthetic:rows=61,features=8", check_gradient=True)
    return run(config, None, Records(folder=False, quiet=True)).summary


def test_what_was_written_is_read(summary):
    written = json.loads(json.dumps(summary.to_json()))
    assert Summary.from_json(written) == summary
    assert list(Summary.from_json(written).to_json()) == list(written)


def test_scores_are_keys_after_the_loss(summary):
    written = {}
    for key, value in summary.to_json().items():
        written |= {key: value, "accuracy": 0.5} if key == "loss" else {key: value}
    found = Summary.from_json(written)
    assert found.scores == {"accuracy": 0.5}
    assert list(found.to_json()) == list(written)


@pytest.mark.parametrize("key", ["stop_reason", "memory", "planned", "classes", "kernel"])
def test_keys_that_older_versions_do_not_have_may_be_missing(summary, key):
    written = summary.to_json()
    del written[key]
    assert getattr(Summary.from_json(written), key) is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"loss": "x"}, {"memory": {}}, {"workers": 4.5}, {"converged": 1}, {"warnings": None},
        {"gradient_error": {"median": 1.0}}, {"hosts": {"a": ["1"]}}, {"wall_time": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_of_another_type_is_refused(summary, spoilt):
    with pytest.raises(ValueError):
        Summary.from_json({**summary.to_json(), **spoilt})


@pytest.mark.parametrize("values", [None, [], {}, {"status": "done"}])
def test_what_is_no_summary_is_refused(values):
    with pytest.raises(ValueError, match="no summary of a finished run"):
        Summary.from_json(values)
