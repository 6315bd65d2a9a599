"""Messages that make no sense: erasures that are told of, never summed into beta; virtual time."""

from itertools import product

import numpy as np
import pytest
from observing import Recorder

from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.losses import TooFewWorkers
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Diverged
from coded_dgd.runs.summarizing import summarize

LANE, ITERATION, MESSAGE = range(3)


def nan(message):
    message[-1] = np.nan
    return message


def infinite(message):
    message[5] = -np.inf
    return message


def header(field, value):
    def spoil(message):
        message[field] = value
        return message

    return spoil


SPOILT = {
    "nan": (nan, "not finite"),
    "infinite": (infinite, "not finite"),
    "shorter": (lambda message: message[:-1], "wrong length"),
    "longer": (lambda message: np.append(message, 1.0), "wrong length"),
    "no header": (lambda message: message[:3], "wrong header"),
    "nothing": (lambda message: message[:0], "wrong header"),
    "iteration to come": (header(ITERATION, 10**6), "wrong header"),
    "negative iteration": (header(ITERATION, -1), "wrong header"),
    "no iteration": (header(ITERATION, np.nan), "wrong header"),
    "unknown lane": (header(LANE, 3), "wrong header"),
    "message number": (header(MESSAGE, 99), "wrong message number"),
}


class Spoiling(SimulatedTransport):
    """Peers in `spoil` send something else from iteration 3 on, or up to `last`."""

    def __init__(self, workers, spoil, last=np.inf):
        self.spoil, self.last = spoil, last
        super().__init__(workers)

    def _deliver(self, peer, message):
        if peer in self.spoil and 3 <= message[ITERATION] <= self.last:
            message = self.spoil[peer](message)
        super()._deliver(peer, message)


def run(name, spoil, workers=6, peers=None, last=np.inf, **options):
    options = {"iterations": 12, "data": "synthetic:rows=61,features=8"} | options
    config = RunConfig(
        scheme=name, workers=workers, transport="simulated", check_gradient=True, **options
    )
    said = Recorder()
    outcome = job.run(
        prepare(config, None),
        Spoiling(peers or workers, spoil, last),
        said,
    )
    return outcome, said.lines


def largest_error(outcome):
    return max(record.gradient_error for record in outcome.log)


SCHEMES = ["uc-mmc", "gc", "lcc-mmc", "mds-mmc", "sgc"]


def combinations(names, kinds):
    """All of them; the first tier has each name once, and each kind once."""
    return [
        pytest.param(
            name, kind, marks=[] if name == names[0] or kind == kinds[0] else pytest.mark.slow
        )
        for name, kind in product(names, kinds)
    ]


@pytest.mark.parametrize(("name", "kind"), combinations(SCHEMES, [*SPOILT]))
def test_the_others_are_enough(name, kind):
    spoil, reason = SPOILT[kind]
    outcome, said = run(name, {1: spoil}, load=None if name == "sgc" else 3)
    assert said == [f"messages of rank 2 are not used: {reason}"]
    assert len(outcome.log) == 12
    if outcome.setup.scheme.exact:
        assert largest_error(outcome) <= 1e-9
    assert np.isfinite(outcome.beta).all()
    refused = {"rank": 2, "reason": reason, "messages": sum(outcome.refused.values())}
    assert summarize(outcome, None).to_json()["refused_messages"] == [refused]
    assert outcome.losses == []


def test_each_worker_and_each_reason_is_told_once():
    kinds = iter([nan, SPOILT["shorter"][0]] * 1000)
    outcome, said = run("mds-mmc", {0: lambda m: next(kinds)(m), 4: nan}, load=6)
    assert sorted(said) == [
        "messages of rank 1 are not used: not finite",
        "messages of rank 1 are not used: wrong length",
        "messages of rank 5 are not used: not finite",
    ]
    assert largest_error(outcome) <= 1e-9


def test_one_bad_message_costs_no_other():
    """12 messages of at least 11 that are needed: the worker's other one has to be among them."""
    first = iter([nan])
    outcome, said = run("lcc-mmc", {2: lambda m: next(first, lambda m: m)(m)}, load=2)
    assert outcome.refused == {(2, "not finite"): 1}
    assert len(said) == 1
    assert largest_error(outcome) <= 1e-9


@pytest.mark.parametrize("kind", SPOILT)
def test_a_worker_that_cannot_be_spared_ends_the_run(kind):
    spoil, reason = SPOILT[kind]
    with pytest.raises(TooFewWorkers, match="iteration 3 cannot be decoded any more") as error:
        run("uncoded", {4: spoil})
    assert error.value.exit_code == 4
    assert f"rank 5 on simulated failed in iteration 3: its messages cannot be used ({reason})" in (
        str(error.value)
    )


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("mend", [{"on_loss": "replan"}, {"replace": True}, {"peers": 7}])
def test_or_another_takes_its_place(kind, mend):
    outcome, said = run("uncoded", {4: SPOILT[kind][0]}, **mend)
    assert [report.peer for report in outcome.losses] == [4]
    assert len(said) == 3  # not used, lost, and what was done
    assert largest_error(outcome) <= 1e-9
    healthy, _ = run("uncoded", {})
    np.testing.assert_allclose(outcome.beta, healthy.beta, rtol=1e-9)


def test_a_late_message_of_an_earlier_iteration_is_no_erasure():
    """A slow worker's message of iteration 3 comes in iteration 4 or later, and is spoilt."""
    outcome, said = run("gc", {0: nan}, load=2, last=3, delay="persistent:ranks=1,factor=3")
    assert len(said) <= 1
    assert largest_error(outcome) <= 1e-9


def test_duplicates_are_counted_as_wasted():
    class Twice(SimulatedTransport):
        def _deliver(self, peer, message):
            super()._deliver(peer, message)
            super()._deliver(peer, message)

    config = RunConfig(scheme="uc-mmc", workers=6, load=3, iterations=5, transport="simulated",
                       check_gradient=True)  # fmt: skip
    outcome = job.run(prepare(config, None), Twice(6))
    assert largest_error(outcome) <= 1e-9
    assert outcome.refused == {}
    assert all(record.wasted_messages >= record.messages_used - 1 for record in outcome.log)


@pytest.mark.parametrize("step", ["1e150", "1e300", "1e308"])
@pytest.mark.filterwarnings("error")
def test_a_model_that_has_run_away_is_not_a_fault_of_the_workers(step):
    with pytest.raises(Diverged, match="--step-size"):
        run("uncoded", {}, step_size=step)
