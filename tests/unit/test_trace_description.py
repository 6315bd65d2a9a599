"""What a trace looks like: figures of synthetic traces of which they are known."""

import json
from math import inf
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError
from coded_dgd.report.trace import format_text, panels, to_json
from coded_dgd.theory.replay import completion_times
from coded_dgd.traces.baselines import LASTING, MILD, RARE, baselines, split_perfectly
from coded_dgd.traces.describing import autocorrelation, describe
from coded_dgd.traces.growth import growth

RNG = np.random.default_rng(0)
PAPER = 0.01 + RNG.exponential(0.1, size=(400, 20))
"""The law of Ozfatura et al., eq. (12): rare, heavy stragglers."""
SPEEDS = np.linspace(1, 5, 10) * RNG.uniform(0.95, 1.05, size=(100, 10))
"""Lasting differences in speed."""
EVEN = RNG.uniform(0.9, 1.1, size=(100, 16))
"""Mild random variation."""
OVERHEADS = RNG.exponential(1.0, size=(50, 10, 1)) + 0.5 + 0.1 * np.arange(1, 11)
MULTIPLES = PAPER[..., None] * np.arange(1, 5)


# The three kinds of clusters


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        (PAPER, RARE), (SPEEDS, LASTING), (EVEN, MILD), (OVERHEADS, RARE), (MULTIPLES, RARE),
        (np.full((5, 3), 2.0), MILD), (np.ones((1, 4)), MILD), (np.ones((4, 1)), MILD),
        (np.where(np.arange(6) == 2, inf, EVEN[:, :6]), LASTING),  # a worker that is never done
        (np.where(np.arange(100)[:, None] % 10 == np.arange(10), inf, 1.0), RARE),
    ],
)  # fmt: skip
def test_the_kind_of_cluster(times, kind):
    assert describe(times).kind == kind


def test_rare_stragglers_count_by_their_length():
    times, late = np.ones((100, 10)), RNG.integers(10, size=10)
    times[::10][np.arange(10), late] = 15.0  # so that the median iteration has none
    assert describe(times).spread.median == 1
    assert describe(times).kind == RARE
    times[::10][np.arange(10), late] = 8.0
    assert describe(times).kind == MILD  # slowdown 1.7: less than a second task takes


def test_little_work_makes_codes_pay_at_a_smaller_slowdown():
    finish = np.ones((100, 10, 2))
    finish[::10][np.arange(10), RNG.integers(10, size=10)] = 8.0
    finish[..., 1] += 0.1
    assert describe(finish).kind == RARE


# Figures


def test_spread():
    times = np.ones((200, 5))
    times[:, 0] = np.arange(200) / 100 + 1
    spread = describe(times).spread
    assert spread.mean == pytest.approx(1 + 199 / 200)
    assert spread.median == pytest.approx(1 + 199 / 200)
    assert spread.p99 == pytest.approx(1 + 0.99 * 1.99)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_autocorrelation_is_that_of_an_autoregressive_process(rho):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 20))
    for t in range(1, len(x)):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    found = autocorrelation(np.exp(0.3 * x), (1, 5, 3000))
    assert found == pytest.approx({1: rho, 5: rho**5}, abs=0.03)


def test_times_without_end_are_left_out_of_the_autocorrelation():
    times = np.exp(np.sin(np.arange(400) / 20))[:, None] * np.ones(3)
    times[5::50] = inf
    times[7::50] = 0.0
    assert autocorrelation(times, (1,))[1] > 0.9
    assert autocorrelation(np.ones((50, 3)), (1,)) == {}


def test_how_much_of_the_variance_lasts():
    rng = np.random.default_rng(2)
    worker, both = rng.standard_normal(200), rng.standard_normal((500, 1))
    for lasting in (0.0, 0.3, 0.9):
        noise = rng.standard_normal((500, 200))
        logs = np.sqrt(lasting) * worker + np.sqrt(1 - lasting) * noise + both
        assert describe(np.exp(logs)).lasting == pytest.approx(lasting, abs=0.06)
    found = describe(np.array([[1.0, 3.0], [1.0, 3.0], [2.0, 6.0]]))
    assert found.lasting == 1
    assert found.slowest_to_fastest == 3


def test_delays_that_add_and_delays_that_multiply_are_told_apart():
    added = growth(OVERHEADS)
    assert added.kind == "additive"
    assert added.per_task == pytest.approx(0.1)
    assert added.overhead == pytest.approx(np.median(OVERHEADS[..., 0], axis=1).mean() - 0.1)
    multiplied = growth(MULTIPLES)
    assert multiplied.kind == "multiplicative"
    assert multiplied.exponent == pytest.approx(1)
    assert multiplied.second_task == pytest.approx(2)
    assert growth(OVERHEADS[:, :, :4] / 2 + MULTIPLES[:50, :10]).kind == "mixed"


def test_where_it_is_not_known_whether_delays_add():
    assert describe(PAPER).growth is None
    assert growth(PAPER[..., None]) is None
    assert growth(np.full((2, 3, 2), inf)) is None
    assert growth(np.ones((3, 4, 2))).kind is None  # further tasks take no time
    assert growth(np.ones((3, 4, 1)) * [1.0, 2.0]).kind is None  # nobody is behind


# What a job takes


@pytest.mark.parametrize("times", [PAPER, OVERHEADS, MULTIPLES])
def test_uncoded_takes_what_its_replay_takes(tmp_path, times):
    np.save(tmp_path / "a.npy", times)
    delay = delays.create(f"trace:{tmp_path / 'a.npy'}", 0)
    scheme = schemes.create("uncoded", times.shape[1])
    replayed = completion_times(scheme, delay, len(times))
    assert baselines(times).uncoded == pytest.approx(replayed.mean())


def test_baselines_of_durations():
    times = np.array([[1.0, 2.0, 6.0], [2.0, 2.0, 12.0]])
    found = baselines(times)
    assert found.uncoded == 9
    assert found.without_stragglers == 2
    share = 3 / (1 + 1 / 2 + 1 / 6)
    assert found.perfect == pytest.approx((share + 3 / (1 / 2 + 1 / 2 + 1 / 12)) / 2)
    other = 3 / (1 / 2 + 1 / 2 + 1 / 12)  # the first iteration follows the last one
    assert found.by_speed == pytest.approx((other + 2 * share) / 2)


def test_a_perfect_split_does_no_work_where_only_starting_takes_longer():
    overhead, duration = np.array([1.0, 2.0, 50.0]), np.array([1.0, 3.0, 1.0])
    finish = (overhead[:, None] + duration[:, None] * [1, 2])[None]
    # (T - 1) / 1 + (T - 2) / 3 = 3
    assert baselines(finish).perfect == pytest.approx(3.5)
    assert baselines(finish).uncoded == 51


def test_the_perfect_split_is_the_harmonic_mean_of_durations():
    assert baselines(PAPER).perfect == pytest.approx((20 / (1 / PAPER).sum(axis=1)).mean())


def test_a_perfect_split_ends_when_all_parts_of_the_work_are_done():
    """The time T with sum of max(T - O, 0) / D = M, found by bisection."""
    overhead, duration = RNG.exponential(1.0, (30, 7)), RNG.exponential(1.0, (30, 7)) + 0.1
    duration[:, 3] = np.where(RNG.random(30) < 0.5, inf, 1.0)
    early, late = np.zeros(30), np.full(30, 100.0)
    for _ in range(60):
        middle = (early + late) / 2
        done = (np.maximum(middle[:, None] - overhead, 0) / duration).sum(axis=1) >= 7
        early, late = np.where(done, early, middle), np.where(done, middle, late)
    finish = overhead[..., None] + duration[..., None] * [1, 2]
    assert baselines(finish).perfect == pytest.approx(late.mean(), rel=1e-8)


def test_a_split_beyond_what_was_recorded_is_not_known():
    finish = np.array([[[1.0], [2.0], [4.0]], [[1.0], [1.0], [1.0]]])
    assert split_perfectly(finish, np.ones(1)).tolist() == [inf, 1.0]
    assert split_perfectly(finish * [1.0, 2.0, 3.0], np.arange(1.0, 4)).tolist() == pytest.approx(
        [3 / (1 + 1 / 2 + 1 / 4), 1.0]
    )


def test_tasks_that_never_end():
    found = describe(np.array([[1.0, inf, 2.0], [1.0, 1.0, 2.0]]))
    assert found.never == pytest.approx(1 / 6)
    assert found.baselines.uncoded == inf
    assert found.baselines.without_stragglers == 1.5
    text = format_text(found, relative=False)
    assert "as a task never ends; without stragglers this job would have taken 3 s" in text
    assert to_json(found, False)["iteration_time"]["uncoded"] is None


def test_tasks_that_were_cancelled_end_with_the_last_other_one_at_the_earliest():
    times = np.array([[1.0, inf, 2.0], [1.0, 1.0, 2.0], [inf, inf, inf]])
    found = describe(times, cancelled=True)
    assert found.never == pytest.approx(4 / 9)
    assert found.baselines.uncoded == 2
    assert found.baselines.without_stragglers == 1.5  # of 1, 2, 2 and of 1, 1, 2
    text = format_text(found, relative=False)
    assert "44.4% of the first tasks; they count as ending with the last other one" in text
    assert "cost at least a factor of 1.33" in text
    assert found.kind is None  # the slowest may have been much slower
    assert "not known, as stragglers were cancelled: describe a run without coding" in text
    assert describe(EVEN, cancelled=True).kind == MILD  # none was cancelled
    finish = times[..., None] * [1.0, 2.0]
    assert describe(finish, cancelled=True).baselines == found.baselines


@pytest.mark.parametrize("load", ["1", "3"])
def test_a_run_that_cancels_stragglers_is_no_job_without_end(tmp_path, monkeypatch, capsys, load):
    monkeypatch.chdir(tmp_path)
    coded = ["--scheme", "ignore-stragglers", "--wait", "fastest:4"]
    schemes = {"1": coded, "3": ["--scheme", "lcc-mmc", "--load", load]}
    command = ["run", "--transport", "simulated", "--workers", "6", "--iterations", "40", "--quiet"]
    data = ["--data", "synthetic:rows=31,features=3", "--out", "run"]
    assert run_command_line([*command, *data, *schemes[load]]) == 0
    assert run_command_line(["trace", "run", "run", "out.npy", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["cancelled"]
    assert record["never"] > 0
    assert 1 < record["slowdown"] < 100
    np.testing.assert_array_equal(
        delays.create("trace:out.npy", 0).times.reshape(40, 6, -1),
        delays.create("trace:run", 0).times,
    )


@pytest.mark.parametrize("times", [np.zeros((2, 3)), np.full((2, 3), inf), np.zeros((2, 3, 2))])
def test_a_trace_without_any_time_is_refused(times):
    with pytest.raises(DataError, match=r"^a\.npy: no first task takes a finite time above 0"):
        describe(times, "a.npy")


@pytest.mark.parametrize("time", [5e-324, 1e-100, 1e100, 1e308])
def test_times_with_which_nothing_can_be_computed_are_refused(time):
    with pytest.raises(DataError, match=r"^a\.npy has times from .* give times, other than 0 and"):
        describe(np.array([[1.0, time], [1.0, 0.0]]), "a.npy")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(30))
def test_any_trace_can_be_described(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, size=rng.integers(2, 4)))
    times = rng.choice([0.0, 1e-12, 1e-7, 0.5, 1.0, 30.0, 1e12, inf], size=shape)
    if len(shape) == 3:
        times = np.sort(times, axis=2)
    times.flat[0] = 0.25 if len(shape) == 2 else times.flat[0]
    try:
        found = describe(times, cancelled=bool(seed % 3))
    except DataError:
        return
    assert format_text(found, relative=bool(seed % 2))
    text = json.dumps(to_json(found, False), allow_nan=False)
    assert json.loads(text)["kind"] in (RARE, LASTING, MILD, None)
    assert panels(times, False)


# In words


def test_the_text_and_the_json_of_a_trace():
    text = format_text(describe(OVERHEADS), relative=False)
    for words in (
        "50 iterations of 10 workers, 10 finish times each", "delays add to the time of tasks",
        "without stragglers this job would have taken", "rare, heavy stragglers",
    ):  # fmt: skip
        assert words in text
    record = to_json(describe(SPEEDS), True)
    assert record["kind"] == LASTING
    assert record["growth"] is None
    assert record["slowdown"] == pytest.approx(
        record["iteration_time"]["uncoded"] / record["iteration_time"]["without_stragglers"]
    )
    assert record["fits"][0]["delay"]
    assert " s " not in format_text(describe(SPEEDS), relative=True).partition("uncoded")[2]


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", PAPER[:50])


def command(capsys, *arguments):
    capsys.readouterr()
    code = run_command_line(["trace", *arguments])
    return code, capsys.readouterr()


def refused(capsys, *arguments):
    code, said = command(capsys, *arguments)
    assert code == 2
    (line,) = said.err.splitlines()
    return line.removeprefix("coded-dgd: ")


@pytest.mark.usefixtures("here")
def test_what_is_written_is_what_a_delay_takes(capsys):
    code, said = command(capsys, "array", "a.npy", "out.npy", "--json")
    assert code == 0
    assert "written to out.npy: replay it with --delay trace:out.npy" in said.err
    record = json.loads(said.out)
    assert (record["in"], record["out"], record["iterations"]) == ("a.npy", "out.npy", 50)
    np.testing.assert_array_equal(delays.create("trace:out.npy", 0).times, PAPER[:50])
    assert "out.npy exists and is not overwritten" in refused(capsys, "array", "a.npy", "out.npy")
    code, said = command(capsys, "array", "a.npy", "out.npy", "--force", "--quiet")
    assert (code, said.err, said.out) == (0, "", "")


@pytest.mark.usefixtures("here")
def test_without_out_a_trace_is_only_described(capsys):
    code, said = command(capsys, "array", "a.npy")
    assert code == 0
    assert "without stragglers" in said.err
    assert not said.out
    assert [each.name for each in Path().iterdir()] == ["a.npy"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("times", [PAPER, np.full((3, 2), 0.5), np.array([[1.0, inf], [inf, inf]])])
def test_the_picture(capsys, times):
    pytest.importorskip("matplotlib")
    np.save("a.npy", times)
    code, _ = command(capsys, "array", "a.npy", "--plot", "a.png", "--quiet")
    assert code == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("here")
def test_what_cannot_be_done_is_said_before_anything_is_read(capsys):
    assert "a.txt is no .npy file" in refused(capsys, "array", "missing", "a.txt")
    assert "--plot a.gif: give a file that ends in .png" in refused(
        capsys, "array", "missing", "--plot", "a.gif"
    )
    assert "cannot be written" in refused(capsys, "array", "a.npy", "folder/out.npy")
    assert "unknown kind of trace" in refused(capsys, "arr", "a.npy")
    assert "there is no such file" in refused(capsys, "array", "missing.npy")
