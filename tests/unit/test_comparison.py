"""Several schemes in one job under the virtual clock: each does what it does alone."""

import csv
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.comparison import compare, configurations
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.losses import TooFewWorkers
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.base import Batch
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.layout import Layout
from coded_dgd.report import comparison_plot
from coded_dgd.report.comparison import describe
from coded_dgd.report.comparison_table import format_table

WORKERS = 8
MIXED = ["uncoded", "gc", "lcc", "lcc-mmc-2", "uc-mmc-pg", "mds-mmc", "sgc", "ignore-stragglers"]


def configure(names, **options):
    options = {"iterations": 12, "load": 4, "data": "synthetic:rows=61,features=8"} | options
    config = RunConfig(
        scheme=names[0], workers=WORKERS, transport="simulated", check_gradient=True, **options
    )
    return configurations(names, config)


def run(names, losses=None, **options):
    said, turns = [], []
    comparison = compare(
        configure(names, **options),
        SimulatedTransport(WORKERS, losses=losses),
        on_turn=turns.append,
        say=said.append,
    )
    return comparison, said, turns


def names_of(comparison):
    return list(comparison.outcomes)


def completion(outcome):
    return [record.completion_time for record in outcome.log]


def test_every_scheme_does_what_it_does_alone():
    options = {"wait": "fastest:6", "redundancy": 2.0, "tolerance": 0.2}
    comparison, said, _ = run(MIXED, **options)
    assert names_of(comparison) == MIXED
    assert said == []
    for outcome in comparison.outcomes.values():
        alone = job.run(prepare(outcome.setup.config, None), SimulatedTransport(WORKERS))
        np.testing.assert_allclose(completion(outcome), completion(alone), rtol=1e-9)
        np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-9)
        np.testing.assert_array_equal(outcome.beta, alone.beta)
        for ours, theirs in zip(outcome.log, alone.log, strict=True):
            assert ours.iteration == theirs.iteration
            assert ours.messages_used == theirs.messages_used
            assert ours.gradient_error == theirs.gradient_error


def test_the_delays_are_the_same_for_all():
    comparison, _, _ = run(["uncoded", "uc-mmc"], load=1)  # which is the same code
    uncoded, uc_mmc = comparison.outcomes.values()
    np.testing.assert_allclose(completion(uncoded), completion(uc_mmc), rtol=1e-9)


def test_the_order_is_drawn_anew_and_favours_none():
    names = ["uncoded", "gc", "lcc", "uc-mmc"]
    comparison, _, turns = run(names, iterations=200)
    assert len(comparison.turns) == len(turns) == 200
    assert all(sorted(turn) == sorted(names) for turn in comparison.turns)
    places = Counter((name, turn.index(name)) for turn in comparison.turns for name in turn)
    assert len(places) == 16
    assert all(30 <= count <= 70 for count in places.values())
    followers = Counter(
        turn[k : k + 2] == ["gc", "lcc"] for turn in comparison.turns for k in (0, 1, 2)
    )
    assert 30 <= followers[True] <= 70
    assert run(names, iterations=200)[0].turns == comparison.turns
    assert run(names, iterations=200, seed=1)[0].turns != comparison.turns


def test_a_scheme_that_does_not_exist_for_these_sizes_is_left_out():
    comparison, said, _ = run(["lcc-mmc-3", "uncoded", "lcc-mmc", "gc"], load=2)
    assert names_of(comparison) == ["uncoded", "lcc-mmc", "gc"]
    (line,) = said
    assert line == f"lcc-mmc-3 is left out: {comparison.left_out['lcc-mmc-3']}"
    assert "--load" in line


def test_schemes_that_stall_under_these_delays_are_left_out():
    # uncoded is refused at once, sgc once it knows the data
    comparison, said, _ = run(
        ["sgc", "uc-mmc", "uncoded"], load=8, delay="bernoulli:p=0.3,slow=inf,fast=0.01"
    )
    assert names_of(comparison) == ["uc-mmc"]
    assert [line.split()[0] for line in said] == ["uncoded", "sgc"]
    assert all("too few tasks ever finish" in line for line in said)


def test_an_objective_that_coded_schemes_do_not_have_leaves_them_out(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 3))
    np.save(tmp_path / "data.npy", np.column_stack([X, X @ rng.standard_normal(3) > 0]))
    comparison, said, _ = run(
        ["lcc", "uc-mmc", "mds-mmc"], objective="logistic", data=str(tmp_path / "data.npy")
    )
    assert names_of(comparison) == ["uc-mmc"]
    assert [line.split()[0] for line in said] == ["lcc", "mds-mmc"]


def test_nobody_is_left():
    with pytest.raises(Infeasible) as caught:
        run(["lcc", "lcc-mmc"], load=1)
    line = str(caught.value)
    assert line.startswith("none of the schemes can be run: lcc: ")
    assert "; lcc-mmc: " in line
    with pytest.raises(Infeasible, match="run: lcc, gc: computation load r = 9 is out of range"):
        run(["lcc", "gc"], load=9)


def test_a_scheme_that_cannot_spare_a_lost_worker_is_left_out():
    comparison, said, turns = run(["uncoded", "uc-mmc", "gc"], losses={3: 1.0})
    assert names_of(comparison) == ["uc-mmc", "gc"]
    assert [line.startswith("uncoded is left out: iteration") for line in said].count(True) == 1
    assert [line.startswith("rank 4 ") for line in said].count(True) == 1
    assert len(turns[0]) == 3
    assert len(turns[-1]) == 2
    assert "uncoded" not in comparison.turns[-1]
    for outcome in comparison.outcomes.values():
        assert len(outcome.log) == 12
        assert [report.peer for report in outcome.losses] == [3]
        np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-9)


def test_the_last_scheme_that_is_lost_ends_the_job():
    with pytest.raises(
        TooFewWorkers, match="none of the schemes can be run: uncoded: iteration"
    ) as error:
        run(["uncoded", "gc"], losses=dict.fromkeys(range(7), 0.5))
    assert "a scheme with more redundancy survives that" in str(error.value)
    assert "--" not in str(error.value)  # compare has no option against it


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "names no scheme"),
        (["lcc", "gc", "lcc"], {}, "names lcc twice"),
        (["lcc", "lcc-mcc"], {}, "did you mean 'lcc-mmc'"),
        (["lcc", "gc"], {"redundancy": 2.0}, "--redundancy means nothing to lcc, gc"),
        (["sgc", "bgc"], {"load": 4}, "--load means nothing to sgc, bgc"),
    ],
)
def test_what_is_wrong_with_all_is_refused(names, options, message):
    config = RunConfig(scheme="lcc", **options)
    with pytest.raises(UsageError, match=message):
        configurations(names, config)


def test_options_go_to_those_that_take_them():
    config = RunConfig(load=4, blocks=12, tolerance=0.1, redundancy=3.0, wait="all", ridge=2.0)
    pg, sgc, erasurehead = configurations(["uc-mmc-pg", "sgc", "erasurehead"], config)
    assert (pg.load, pg.blocks, pg.tolerance, pg.redundancy, pg.wait) == (4, 12, 0.1, None, None)
    assert (sgc.load, sgc.blocks, sgc.tolerance, sgc.redundancy) == (None, 12, None, 3.0)
    assert (erasurehead.blocks, erasurehead.redundancy, erasurehead.wait) == (None, 3.0, "all")
    assert pg.ridge == sgc.ridge == erasurehead.ridge == 2.0


def test_all_count_shares_if_one_does():
    law = "shifted-exponential:mu=10,alpha=0.01"
    others = RunConfig(delay=law), RunConfig(delay=f"{law},per=task"), RunConfig(delay="none")
    for config, unit in zip(others, [f"{law},per=share", f"{law},per=task", "none"], strict=True):
        assert {each.delay for each in configurations(["uncoded", "uc-dynamic"], config)} == {unit}
    assert configurations(["uncoded", "uc-mmc"], others[0])[0].delay == law
    both = run(["uncoded", "uc-dynamic"], blocks=32, load=None, copies="1", shares="equal")[0]
    one, other = map(completion, both.outcomes.values())
    np.testing.assert_allclose(one, other, rtol=1e-12)  # each worker does all that is its own


@pytest.mark.parametrize(
    ("name", "options"), [("uc-dynamic:copies=4", {}), ("uc-dynamic", {"copies": "4"})]
)
def test_a_load_is_for_schemes_that_are_given_no_number_of_copies(name, options):
    fixed, dynamic = configure(["uc-mmc", name], load=3, **options)
    assert (fixed.load, dynamic.load) == (3, None)
    assert prepare(dynamic, None).scheme.load == 16
    (alone,) = configure(["uc-dynamic"], load=16)
    assert alone.load == 16
    with pytest.raises(UsageError, match=r"4 copies of N = 32 blocks on 8 workers are --load 16"):
        prepare(configure(["uc-dynamic"], load=3, copies="4")[0], None)


class Replay(SimulatedTransport):
    """Brings prepared results, whoever asks."""

    lanes_of_results = ()

    def receive(self, until=np.inf, enough=1):
        rows = self.payloads.take(len(self.lanes_of_results))
        for row, code_id in zip(rows, self.lanes_of_results, strict=True):
            self.payloads.buffers[row][:] = [code_id, *[0.0] * 12]
        count = len(rows)
        return Batch([0] * count, rows, [8] * count, [0.0] * count)


def test_late_results_are_counted_for_the_scheme_that_sent_them():
    transport = Replay(WORKERS)
    scheme = prepare(configure(["uc-mmc"])[0], None).scheme
    members = list(range(WORKERS))
    first, second = (
        WorkerGroup(transport, scheme, transport.new_code(), members, members, Layout(8))
        for _ in "12"
    )
    transport.payloads.reserve(Layout(8), 3)
    transport.lanes_of_results = (0, 0, 1)
    assert len(second.receive(0).keys) == 1
    assert (first.late_results, second.late_results) == (2, 0)
    instead = WorkerGroup(
        transport, scheme, transport.new_code(), members, members, Layout(8), replaces=first.code_id
    )
    assert instead.late_results == 2


# The object, the table, the files


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """What the command prints and writes."""
    out = tmp_path_factory.mktemp("compare") / "out"
    done = subprocess.run(
        [
            sys.executable, "-m", "coded_dgd", "compare", "--schemes", "uncoded, lcc,gc,lcc-mmc-5",
            "--transport", "simulated", "--workers", "8", "--load", "4", "--iterations", "25",
            "--data", "synthetic:rows=61,features=8", "--json", "--out", str(out),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr, out


def test_the_object(command):
    result, _, out = command
    assert json.loads((out / "comparison.json").read_text()) == result
    assert result["parameters"]["schemes"] == ["uncoded", "lcc", "gc", "lcc-mmc-5"]
    assert result["parameters"]["load"] == 4
    assert [each["scheme"] for each in result["results"]] == ["uncoded", "lcc", "gc"]
    (left_out,) = result["left_out"]
    assert left_out["scheme"] == "lcc-mmc-5"
    for each in result["results"]:
        mean = each["completion_time"]["mean"]
        assert mean == pytest.approx(each["ideal_completion_time"]["mean"])
        low, high = each["completion_time_interval"]
        assert low < mean < high
        assert each["gradient_error"]["max"] <= 1e-9
        speed_up = each["speed_up"]
        assert speed_up["over"] == "uncoded"
        assert speed_up["measured"] == pytest.approx(speed_up["ideal"])
        low, high = speed_up["interval"]
        assert low <= speed_up["measured"] <= high
        assert speed_up["expected"] == pytest.approx(
            result["results"][0]["expected_completion_time"] / each["expected_completion_time"]
        )
    assert result["results"][0]["speed_up"]["interval"] == [1.0, 1.0]


def test_the_table(command):
    _, err, out = command
    lines = err.splitlines()
    (header,) = (number for number, line in enumerate(lines) if line.startswith("scheme "))
    assert [line.split()[0] for line in lines[header + 1 : header + 4]] == ["uncoded", "lcc", "gc"]
    assert len({len(line) for line in lines[header : header + 4]}) == 1
    assert any(line.startswith("warning: lcc-mmc-5 is left out: ") for line in lines)
    assert lines[-1] == f"written to {out}"


def test_the_rows_say_what_the_object_says(command):
    result, _, out = command
    with (out / "iterations.csv").open() as file:
        iterations = list(csv.DictReader(file))
    assert len(iterations) == 25 * 3
    assert [int(row["position"]) for row in iterations] == [0, 1, 2] * 25
    with (out / "schemes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, each in zip(rows, result["results"], strict=True):
        assert row["scheme"] == each["scheme"]
        mean = each["completion_time"]["mean"]
        assert float(row["completion_time.mean"]) == mean
        assert float(row["speed_up.interval.high"]) == each["speed_up"]["interval"][1]
        own = [line for line in iterations if line["scheme"] == each["scheme"]]
        assert [int(line["iteration"]) for line in own] == list(range(25))
        for column in ("completion_time", "ideal_completion_time"):
            assert np.mean([float(line[column]) for line in own]) == pytest.approx(mean)


def test_the_plot_is_written(command):
    pytest.importorskip("matplotlib")
    _, _, out = command
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")
    svg = (out / "comparison.svg").read_text()
    assert svg.count("<svg") == 1


def test_a_single_iteration_without_delays_or_checks_has_gaps_and_no_more(tmp_path):
    pytest.importorskip("matplotlib")
    configs = configure(["uc-mmc", "gc"], iterations=1, delay="none")
    comparison = compare(configs, SimulatedTransport(WORKERS))
    for outcome in comparison.outcomes.values():
        outcome.log[0].gradient_error = None
    result = describe(comparison, {"transport": "simulated"}, tmp_path)
    assert result.to_json()["results"][1]["speed_up"] == {
        "over": "uc-mmc", "measured": None, "interval": None, "ideal": None, "expected": None,
    }  # fmt: skip
    row = format_table(result).splitlines()[1].split()
    assert row[2:9] == ["-", "-", "0.0000", "-", "-", "-", "-"]
    panels = comparison_plot.panels(result)
    assert [panel.x_label for panel in panels][-1] == "decode time (ms)"
    files = [tmp_path / "plot.png", tmp_path / "plot.svg"]
    comparison_plot.draw(panels, ["uc-mmc", "gc"], "title", files)
    assert all(file.stat().st_size > 0 for file in files)


def test_an_existing_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("mine")
    done = subprocess.run(
        [
            sys.executable, "-m", "coded_dgd", "compare", "--transport", "simulated",
            "--out", str(tmp_path),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_unit_of_work_that_all_have_is_said(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "coded_dgd", "compare", "--transport", "simulated",
            "--workers", "3", "--iterations", "2", "--schemes", "uncoded,uc-dynamic",
            "--out", str(tmp_path / "out"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].endswith(
        "delay shifted-exponential:mu=10,alpha=0.01,per=share"
    )


def test_where_nobody_is_left_no_folder_is(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "coded_dgd", "compare", "--transport", "simulated",
            "--schemes", "lcc", "--load", "1", "--quiet",
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("coded-dgd: none of the schemes can be run: lcc: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
