"""``BASE + OVERHEAD``: draws of both, the unit of work, paths, laws, runs and refusals."""

import json

import numpy as np
import pytest

from coded_dgd import delays, origin, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.errors import UsageError
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import agreement
from coded_dgd.theory.monte_carlo import simulate

LAW = "shifted-exponential:mu=10,alpha=0.01"
OVERHEAD = "pareto:shape=3,scale=0.1"
WORK = np.arange(1.0, 5.0)
OVERHEADS = [
    OVERHEAD,
    LAW,
    "bernoulli:p=0.3",
    "markov:onset=0.2",
    "persistent:ranks=2",
    "additive",
    "trace:t.npy",
    "trace:finish.npy",
]


@pytest.fixture(autouse=True)
def traces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("t.npy", rng.random((5, 4)))
    np.save("finish.npy", rng.random((5, 4, 4)).cumsum(axis=2))


# Draws


@pytest.mark.parametrize("base", [LAW, "trace:t.npy", "bernoulli", "additive:mu=10,memory=0.5"])
@pytest.mark.parametrize("overhead", OVERHEADS)
def test_an_overhead_is_added_to_all_tasks_of_a_worker(base, overhead):
    both, alone = delays.create(f"{base} + {overhead}", 3), delays.create(base, 3)
    added = both.trace(20, 4, WORK) - alone.trace(20, 4, WORK)
    np.testing.assert_allclose(added, added[..., :1] * np.ones(4), rtol=1e-9, atol=1e-12)
    assert (added >= 0).all()
    again = delays.create(f"{base} + {overhead}", 3)
    for iteration, worker in ((19, 3), (0, 0), (7, 2)):
        np.testing.assert_allclose(
            again.finish_times(iteration, worker, WORK),
            alone.finish_times(iteration, worker, WORK) + added[iteration, worker],
            rtol=1e-12,
        )
    for how in ("sample", "consecutive"):
        drawn = getattr(both, how)(np.random.default_rng(0), 6, 4, WORK)
        assert drawn.shape == (6, 4, 4)
        first = getattr(alone, how)(np.random.default_rng(0), 6, 4, WORK)
        added = drawn - first
        np.testing.assert_allclose(added, added[..., :1] * np.ones(4), rtol=1e-9, atol=1e-12)
        done = np.array([[1, 4], [2, 2], [3, 4], [1, 2]])
        own = getattr(both, how)(np.random.default_rng(0), 6, 4, done.astype(float))
        np.testing.assert_allclose(own, np.take_along_axis(drawn, done[None] - 1, 2), rtol=1e-12)


def test_an_overhead_is_that_of_one_task():
    both, base = delays.create("none + trace:finish.npy", 0), np.load("finish.npy")
    np.testing.assert_array_equal(both.trace(5, 4, WORK), base[..., :1] * np.ones(4))


def test_draws_of_equal_laws_are_independent():
    times = delays.create(f"{LAW} + {LAW} + {LAW}", 0).trace(500, 8, WORK[:2])
    alone = delays.create(LAW, 0).trace(500, 8, WORK[:1])[..., 0]
    task = times[..., 1] - times[..., 0]
    overhead = times[..., 0] - task
    np.testing.assert_allclose(task, alone, rtol=1e-9)
    assert abs(np.corrcoef(task.ravel(), overhead.ravel())[0, 1]) < 4 / 4000**0.5
    assert overhead.mean() == pytest.approx(0.22, abs=4 * 0.1 * (2 / 4000) ** 0.5)
    # two overheads of one law are no overhead twice: the variance adds
    assert overhead.std() == pytest.approx(0.1 * 2**0.5, rel=0.1)


@pytest.mark.parametrize("text", [f"{LAW}  +  {OVERHEAD}", f"{LAW} + {OVERHEAD} "])
def test_spaces_do_not_matter(text):
    same = delays.create(f"{LAW} + {OVERHEAD}", 1)
    np.testing.assert_array_equal(delays.create(text, 1).trace(3, 2, WORK), same.trace(3, 2, WORK))


# Unit of work, and paths


def test_the_unit_of_work_is_that_of_the_base():
    text = f"{LAW},per=share + {OVERHEAD}"
    scheme = schemes.create("uncoded", 4, 16)
    model = delays.create(text, 0)
    assert (delays.per_of(text), model.per) == ("share", "share")
    assert delays.per_of(f"{LAW} + {OVERHEAD}") is None
    assert delays.in_unit(f"{LAW} + {OVERHEAD}", "share") == text
    assert delays.in_unit(text, "task") == text
    assert delays.in_unit(f"none + {OVERHEAD}", "share") == f"none + {OVERHEAD}"
    np.testing.assert_array_equal(scheme.work_under(model), [0.25, 0.5, 0.75, 1.0])
    parts = delays.create(f"{LAW},per=share", 0), model
    whole, more = (each.finish_times(0, 0, scheme.work_under(each)) for each in parts)
    assert np.ptp(more - whole) < 1e-12 < (more - whole)[0]


@pytest.mark.parametrize("name", ["a + b.npy", "a +b.npy", "a+pareto.npy", "x + y/z + pareto.npy"])
def test_a_path_may_have_a_plus(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    np.save(tmp_path / name, np.full((1, 2), 0.5))
    np.testing.assert_array_equal(
        delays.create(f"trace:{name}", 0).trace(1, 2, WORK)[0, 0], WORK / 2
    )
    both = delays.create(f"trace:{name},per=share + trace:{name} + shifted-exponential:mu=inf", 0)
    assert both.per == "share"
    np.testing.assert_allclose(both.trace(1, 2, WORK)[0, 0], WORK / 2 + 0.51)


def test_paths_of_a_configuration_are_found_from_elsewhere(tmp_path, monkeypatch):
    given = {"delay": f"trace:t.npy,per=share + {LAW} + trace:finish.npy"}
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    found = origin.located(given, tmp_path)
    assert found == {
        "delay": f"trace:{tmp_path / 't.npy'},per=share + {LAW} + trace:{tmp_path / 'finish.npy'}"
    }
    assert origin.relative(found, tmp_path) == given
    assert not origin.is_gone("delay", found["delay"])
    assert origin.is_gone("delay", f"trace:{tmp_path / 't.npy'} + trace:missing.npy")
    assert origin.same("delay", found["delay"], f"{found['delay']}".replace("/t.npy", "/./t.npy"))
    assert not origin.same("delay", found["delay"], found["delay"].replace(LAW, OVERHEAD))
    assert not origin.same("delay", found["delay"], found["delay"].replace(f" + {LAW}", ""))


# Laws


EXACT = [
    f"{LAW} + shifted-exponential:mu=20,alpha=0.1",
    f"{LAW} + shifted-exponential:mu=10",
    "pareto:shape=30 + shifted-exponential:mu=inf,alpha=0.2",
    "persistent:ranks=2,3,factor=3,mu=10 + shifted-exponential:mu=inf,alpha=0.2",
    "additive:mu=10 + shifted-exponential:mu=inf,alpha=0.2 + shifted-exponential:mu=inf,alpha=0.1",
]


@pytest.mark.parametrize("name", ["uncoded", "lcc-mmc", "uc-mmc", "gc"])
@pytest.mark.parametrize("text", EXACT)
def test_sums_with_a_closed_form_agree_with_monte_carlo(name, text):
    delay = delays.create(text, 0)
    scheme = schemes.create(name, 8, load=1 if name == "uncoded" else 4)
    exact = predict(scheme, delay, realisations=2)
    assert exact.method == "exact"
    found = agreement(exact, simulate(scheme, delay, 10_000, seed=3))
    assert max(abs(found.mean), abs(found.std), abs(found.load)) <= 4, found
    assert found.p_value > 1e-3, found


def test_the_sum_of_two_laws_of_the_papers_is_the_additive_law():
    text = "additive:overhead=0.2,overhead_mu=5,alpha=0.01,mu=10"
    scheme = schemes.create("uc-mmc", 10, load=5)
    one = predict(scheme, delays.create(text, 0))
    other = predict(scheme, delays.create(f"{LAW} + shifted-exponential:mu=5,alpha=0.2", 0))
    assert one.mean == other.mean
    assert one.communication_load == other.communication_load


@pytest.mark.parametrize(
    "text",
    [
        f"{LAW} + {OVERHEAD}",
        f"{LAW},tasks=independent + {LAW}",
        f"none + {LAW}",
        f"bernoulli + {LAW}",
        "pareto + persistent:ranks=2",
    ],
)
def test_other_sums_are_drawn(text):
    found = predict(schemes.create("lcc-mmc", 6, load=3), delays.create(text, 0), realisations=200)
    assert (found.method, found.realisations) == ("monte-carlo", 200)


# Runs


OPTIONS = ["--workers", "4", "--data", "synthetic:rows=40,features=3", "--iterations", "4"]


@pytest.mark.parametrize(
    "delay", [f"{LAW} + {OVERHEAD}", f"none + {OVERHEAD}", "additive:memory=0.5"]
)
def test_a_run_in_virtual_time_takes_what_is_drawn(delay, tmp_path, capsys):
    line = ["run", *OPTIONS, "--scheme", "uncoded", "--transport", "simulated", "--json", "--quiet"]
    assert run_command_line([*line, "--delay", delay, "--out", str(tmp_path / "run")]) == 0
    summary = json.loads(capsys.readouterr().out)
    trace = delays.create(delay, 0).trace(4, 4, WORK[:1])
    expected = trace[..., 0].max(axis=1)
    np.testing.assert_allclose(np.load(tmp_path / "run" / "ideal.npy"), expected, rtol=1e-12)
    assert summary["ideal_completion_time"]["mean"] == pytest.approx(expected.mean())
    assert run_command_line(["report", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize("command", ["theory", "simulate"])
def test_predictions_on_the_command_line(command, capsys):
    line = [command, "--scheme", "lcc-mmc", "--workers", "6", "--load", "3", "--json"]
    line += ["--realisations", "2000", "--delay", f"{LAW} + {OVERHEAD}"]
    assert run_command_line(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["method"], found["delay"]) == ("monte-carlo", f"{LAW} + {OVERHEAD}")
    assert found["lower_limit"] is None
    assert found["perfect_split"] < found["expected_completion_time"]


# Refusals


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{LAW} + bernouli:p=0.3", r"unknown delay 'bernouli' \(did you mean 'bernoulli'\?\)"),
        (f"{LAW} + none", "none adds nothing to another delay: leave it out"),
        ("none + none", "none adds nothing"),
        (f"{LAW} + {OVERHEAD},per=share", "an overhead is no work: give per=share to the first"),
        (f"{LAW} + pareto:shape=0", "shape = 0 is out of range"),
        (f"{LAW} + trace:no.npy", "there is no such file"),
        (f"{LAW} + ", "unknown delay|is not a number"),
        (f" + {LAW}", "unknown delay ''"),
        (f"{LAW}+{OVERHEAD}", "is not a number"),
        ("pareto+bernoulli", "put a space before and after the plus of a sum"),
    ],
)
def test_a_sum_that_cannot_be_is_refused_in_one_line(text, words):
    with pytest.raises(UsageError, match=words) as refusal:
        delays.create(text, 0)
    assert "\n" not in str(refusal.value)


def test_more_workers_than_an_overhead_has_are_refused():
    with pytest.raises(UsageError, match="has 4 workers"):
        predict(schemes.create("uncoded", 5), delays.create(f"{LAW} + trace:t.npy", 0))
