"""Plans: numbers of blocks as candidates, and the verdict on what pays."""

import json

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.planner.candidates import Candidate, variants
from coded_dgd.planner.costs import IterationCost, Once
from coded_dgd.planner.judging import Entry, Limits
from coded_dgd.planner.measurements import Measurements, Network, Speed
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.planner.outcomes import outcomes
from coded_dgd.planner.planning import make_plan
from coded_dgd.planner.record import replay, to_json
from coded_dgd.planner.verdict import decide, differences_last, ratio
from coded_dgd.problems.sources import open_source
from coded_dgd.report.plan import command, format_plan, why

WORKERS = 8
PAPER = "shifted-exponential:mu=10,alpha=0.01"
LASTING = "persistent:ranks=1,2,factor=3,mu=2000,alpha=0.01"
MILD = "shifted-exponential:mu=1000,alpha=0.1"
DATA = "synthetic:rows=400,features=64"
WITHOUT_PRODUCTS = ["uncoded", "gc", "uc-mmc", "lcc-mmc", "uc-dynamic"]
IDEAL = Network((1, 64), (0.0, 0.0), (0.0, 0.0))


def plan(delay=PAPER, network=IDEAL, injected=True, loads=None, names=None, limits=None, **options):
    finish = delays.create(delay, 7).trace(30, WORKERS, np.array([1.0, 2.0]))
    finish += network.latency_of(64)
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((30, WORKERS), np.inf))
    measured = Measurements(times, 1e-5, network, Speed(1e-10, 3e-11))
    config = RunConfig(
        scheme="auto", delay=delay if injected else "none", data=DATA, transport="simulated",
        **options,
    )  # fmt: skip
    return make_plan(
        measured, config, open_source(config.data, 0), WORKERS, limits or Limits(exact=True),
        data_bytes=1e8, injected=injected, names=names, loads=loads,
    )  # fmt: skip


def blocks_of(plan, name):
    able = [each.candidate for each in plan.entries if each.refusal is None]
    return sorted({each.scheme.blocks for each in able if each.name == name})


def test_other_numbers_of_blocks_are_candidates_unless_the_user_chooses():
    found = plan(names=["uncoded", "gc", "lcc", "mds-mmc", "uc-mmc", "uc-dynamic", "lcc-mmc"])
    for name in ("mds-mmc", "uc-mmc", "uc-dynamic"):
        assert blocks_of(found, name) == [8, 16, 32, 64], name
    assert blocks_of(found, "lcc-mmc") == [8]  # of at least twice the time of the best
    assert blocks_of(plan(names=["uncoded", "lcc-mmc"]), "lcc-mmc") == [8, 16, 32, 64]
    for name in ("uncoded", "gc", "lcc"):
        assert blocks_of(found, name) == [8], name
    orders = {each.candidate.options.get("order") for each in found.entries}
    assert orders == {None, "last-first"}
    shares = [each.candidate.options for each in found.entries if "shares" in
              each.candidate.options]  # fmt: skip
    assert [each["shares"] for each in shares] == ["equal"]
    for given in ({"blocks": 8}, {"loads": [2, 4]}, {"delay": f"{PAPER},per=task"}):
        kept = plan(names=["mds-mmc", "uc-mmc"], **given)
        assert blocks_of(kept, "mds-mmc") == blocks_of(kept, "uc-mmc") == [8]
    assert blocks_of(plan(names=["uc-mmc"], blocks=16), "uc-mmc") == [16]


def test_tasks_of_candidates_are_no_more_than_a_trace_has(tmp_path):
    finish = np.cumsum(np.random.default_rng(0).exponential(size=(40, WORKERS, 2)), axis=2)
    np.save(tmp_path / "t.npy", finish)
    found = plan(f"trace:{tmp_path / 't.npy'}", names=["uncoded", "mds-mmc", "uc-mmc"])
    able = [each.candidate.scheme for each in found.entries if each.refusal is None]
    assert {each.load * WORKERS / each.blocks for each in able} >= {1, 2}
    assert max(each.load * WORKERS / each.blocks for each in able) == 2
    assert any("has 2 tasks per worker" in str(each.refusal) for each in found.entries)


def test_options_that_are_given_are_not_varied():
    scheme = schemes.create("uc-mmc-pg", WORKERS, load=4)
    every = list(variants(Candidate("uc-mmc-pg", {"load": 4}, scheme), 400, {}))
    assert {each.options["tolerance"] for each in every} == {0.05, 0.1, 0.2}
    assert {each.options["order"] for each in every} == {"last-first"}
    assert {each.scheme.load * WORKERS / each.scheme.blocks for each in every} <= {2, 3, 5, 8}
    given = {"tolerance": 0.1, "order": "circular"}
    best = Candidate("uc-mmc-pg", {"load": 4, **given}, schemes.create(
        "uc-mmc-pg", WORKERS, load=4, **given))  # fmt: skip
    kept = [each.options for each in variants(best, 400, given)]
    assert kept
    assert all({**each, **given} == each for each in kept)


def test_blocks_are_no_more_than_the_data_can_be_divided_into():
    def most(**options):
        return max(blocks_of(plan(names=["mds-mmc", "uc-mmc"], **options), "mds-mmc"))

    assert most() == 64  # rows of X^T X
    assert most(injected=False) == 16  # of four rows at least
    scheme = schemes.create("mds-mmc", 100, load=2)
    best = Candidate("mds-mmc", {"load": 2}, scheme)
    assert max(each.scheme.blocks for each in variants(best, 10_000, {})) == 400


@pytest.mark.parametrize("name", ["mds-mmc", "uc-mmc", "uc-dynamic"])
def test_fine_blocks_are_faster_where_messages_take_nothing(name):
    found = plan(names=[name, "uncoded"])
    usual = min(
        each.iteration.total
        for each in found.entries
        if each.candidate.name == name and "blocks" not in each.candidate.options
    )
    assert found.choice.candidate.options["blocks"] > schemes.find(name)[0].usual_blocks(WORKERS)
    assert found.choice.iteration.total < 0.99 * usual


def test_fine_blocks_are_slower_where_tasks_are_short():
    """A worker's share takes 1 ms, and each message keeps the port busy for 0.2 ms."""
    network = Network((1, 64), (1e-3, 1e-3), (2e-4, 2e-4))
    found = plan("shifted-exponential:mu=1000,alpha=1e-4", network)
    best = {}
    for each in found.entries:
        if each.candidate.name == "uc-mmc" and each.refusal is None:
            blocks = each.candidate.scheme.blocks
            best[blocks] = min(best.get(blocks, np.inf), each.iteration.total)
    assert best[8] < best[16] < best[32] < best[64]
    assert found.choice.candidate.scheme.blocks == 8


@pytest.mark.parametrize(
    ("injected", "blocks", "unit"),
    [(True, None, "share"), (False, None, "share"), (True, 16, None), (True, 8, None)],
)
def test_numbers_of_blocks_are_compared_by_the_same_work(injected, blocks, unit):
    found = plan(injected=injected, blocks=blocks, names=["uncoded", "uc-mmc"])
    assert found.fits[0].per == unit
    assert (",per=share" in command(found)) == (injected and blocks is None)
    assert ("any number N of blocks is the same work" in format_plan(found)) == (
        injected and blocks is None
    )


def test_where_times_hardly_vary_the_verdict_is_not_to_code():
    found = plan(MILD)
    assert found.choice.candidate.name == "uncoded"
    assert found.finalists[0] is found.entries[0] is found.choice
    words = "do not code here: nothing is faster than uncoded by more than its uncertainty (best: "
    assert found.verdict.words.startswith(words)
    assert 0.97 < found.verdict.ratio.value < 1.01
    assert why(found).startswith(found.verdict.words)
    assert found.verdict.words in format_plan(found)


def test_where_workers_straggle_the_verdict_says_what_pays():
    found = plan(names=WITHOUT_PRODUCTS)
    assert found.verdict.words.startswith("redundancy pays: workers that are ahead")
    assert found.verdict.words.endswith(f"({found.verdict.ratio} of the time of uncoded)")
    assert found.verdict.ratio.value < 0.3
    copies = plan(names=["uncoded", "uc-mmc"])
    assert copies.verdict.words.startswith("redundancy pays: copies of blocks make up")
    coded = plan(names=["uncoded", "uc-mmc", "mds-mmc"])
    assert coded.verdict.words.startswith("coding pays: without it, uc-mmc takes 1.")


def test_lasting_differences_in_speed_need_few_copies():
    found = plan(LASTING, names=WITHOUT_PRODUCTS)
    choice = found.choice.candidate
    assert choice.name == "uc-dynamic"
    assert int(choice.options["copies"]) <= 4
    assert found.verdict.words.startswith("lasting differences in speed: shares by speed suffice")
    assert found.verdict.ratio.value < 0.5


def test_what_lasts_is_told_by_the_variance_between_workers():
    assert differences_last(delays.create(LASTING, 0), WORKERS)
    for text in (PAPER, MILD, "shifted-exponential:mu=inf,alpha=1"):
        assert not differences_last(delays.create(text, 0), WORKERS)
    assert not differences_last(delays.create("bernoulli:p=0.3,slow=1,fast=0.1", 0), WORKERS)


def test_the_fastest_workers_are_not_all_of_those_that_take_the_same_time():
    scheme = schemes.create("ignore-stragglers", WORKERS, wait="fastest:2")
    scheme.fit(80, np.ones)
    law = delays.create("shifted-exponential:mu=inf,alpha=0.01", 0)
    arrived = outcomes(scheme, law, np.random.default_rng(0), 20).arrived[..., 0]
    assert (arrived.sum(axis=1) == 2).all()
    assert arrived.any(axis=0).sum() > 2


def test_approximate_schemes_are_the_last_resort():
    found = plan(MILD, limits=Limits(target=0.1), step_size="0.0008",
                 names=["uncoded", "uc-mmc", "uc-mmc-pg"])  # fmt: skip
    exact = plan(MILD, names=["uncoded", "uc-mmc"])
    assert exact.choice.candidate.name == "uncoded"
    if found.choice.candidate.name != "uncoded":
        assert found.verdict.words.startswith("only approximation helps")


def test_without_the_baseline_nothing_is_compared_with_it():
    found = plan(names=["uc-mmc"])
    assert found.verdict.ratio is None
    assert "uncoded" not in found.verdict.words
    alone = plan(names=["uncoded"])
    assert alone.verdict.words == "nothing but uncoded can be run"
    assert to_json(alone)["over_uncoded"] is None


# Ratios of entries that are made by hand


def entry(name, seconds, laws=(1.0, 1.0), drawn=None, chance=0.0, doubt=0.0, **sizes):
    scheme = schemes.create(name, WORKERS, **sizes)
    cost = IterationCost(seconds, 0, seconds, 0, 0, 0, 0, 0, 8, 8, drawn)
    return Entry(
        Candidate(name, sizes, scheme), iteration=cost, once=Once(0, 0, 0), iterations=10,
        chance=chance, doubt=doubt, redrawn=seconds * np.array(laws),
    )  # fmt: skip


def test_what_changes_both_times_does_not_make_a_ratio_uncertain():
    base = entry("uncoded", 1.0, (0.8, 1.2))
    assert ratio(entry("uc-mmc", 0.9, (0.8, 1.2), load=2), base).error == pytest.approx(0)
    other = ratio(entry("uc-mmc", 0.9, (1.2, 0.8), load=2), base)
    assert other.value == pytest.approx(0.9)
    assert other.error == pytest.approx(0.9 * (1.5 - 2 / 3) / 2)
    draws = np.random.default_rng(0).exponential(1, 400)
    base = entry("uncoded", 1.0, drawn=draws)
    same = ratio(entry("uc-mmc", 0.5, drawn=0.5 * draws, load=2), base)
    assert same.error == pytest.approx(0)
    shuffled = ratio(entry("uc-mmc", 0.5, drawn=0.5 * draws[::-1], load=2), base)
    assert shuffled.error == pytest.approx(0.5 * np.sqrt(2 / 400), rel=0.2)
    unpaired = ratio(entry("uc-dynamic", 0.5, chance=0.01, copies="2"), base)
    assert unpaired.error == pytest.approx(0.5 * 0.02)


def test_a_gain_within_its_uncertainty_is_no_reason_to_code():
    base = entry("uncoded", 1.0)
    unsure = entry("uc-mmc", 0.95, (1.1, 0.9), load=2)
    sure = entry("gc", 0.97, load=2)
    assert decide([unsure, base], lasting=False).choice is base
    assert decide([unsure, sure, base], lasting=False).choice is not base


def test_a_doubt_about_one_of_two_times_makes_their_ratio_uncertain():
    base = entry("uncoded", 1.0, doubt=0.1)
    coded = entry("mds-mmc", 0.7, doubt=0.5, load=2)
    assert ratio(coded, base).error == pytest.approx(0.35)
    assert decide([coded, base], lasting=False).choice is base
    assert (
        decide([entry("mds-mmc", 0.7, doubt=0.1, load=2), base], lasting=False).choice is not base
    )


# Workers that share cores

SHARED = Network((1, 64), (2e-4, 2e-4), (5e-5, 5e-5), gathering=(5e-4, 5e-4))


def shared_cores(seconds, rows):
    """A plan for 8 workers on 2 cores, whose tasks take as long as all of them side by side."""
    finish = np.tile(4 * seconds * np.array([1.0, 2.0]), (30, WORKERS, 1)) + 5e-4
    finish *= np.random.default_rng(0).normal(1, 0.01, (30, 1, 1))
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((30, WORKERS), np.inf))
    measured = Measurements(
        times, seconds, SHARED, Speed(1e-10, 3e-11), ("here",) * WORKERS, (2,) * WORKERS
    )
    config = RunConfig(scheme="auto", delay="none", data=f"synthetic:rows={rows},features=64")
    return make_plan(
        measured, config, open_source(config.data, 0), WORKERS, Limits(exact=True),
        data_bytes=1e8, injected=False, names=["uncoded", "uc-mmc", "mds-mmc"],
    )  # fmt: skip


def test_on_shared_cores_redundancy_only_adds_work():
    found = shared_cores(1e-4, 400)
    assert found.choice.candidate.name == "uncoded"
    assert found.verdict.words.startswith("do not code here")


def test_on_shared_cores_a_code_that_saves_work_is_chosen():
    assert shared_cores(0.5, 100_000).choice.candidate.name == "mds-mmc"


def test_of_equals_the_simplest_is_chosen():
    base = entry("uncoded", 1.0)
    coded, copies = entry("mds-mmc", 0.5, load=2), entry("uc-mmc", 0.502, load=2)
    assert decide([coded, copies, base], lasting=False).choice is copies
    slower = entry("uc-mmc", 0.506, (1.02, 0.98), load=2)
    assert decide([coded, slower, base], lasting=False).choice is slower
    costly = entry("uc-mmc", 0.515, (1.2, 0.8), load=2)
    assert decide([coded, costly, base], lasting=False).choice is coded


# Commands and records


def test_the_command_runs_and_takes_what_was_planned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--transport", "simulated", "--workers", "8", "--data", DATA]
    assert run_command_line(["plan", *arguments, "--exact", "--iterations", "300", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["verdict"] in err
    assert record["over_uncoded"]["value"] < 0.3
    assert 0 < record["over_uncoded"]["standard_error"] < 0.1
    line = err.splitlines()[-1].split()
    assert ",per=share" in " ".join(line)
    assert record["choice"]["blocks"] == 64
    assert run_command_line([*line[1:], "--json", "--quiet"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["blocks"] == 64
    planned = record["choice"]["iteration_time"]
    error = 4 * np.hypot(
        record["choice"]["standard_error"], result["completion_time"]["std"] / np.sqrt(300)
    )
    assert abs(result["completion_time"]["mean"] - planned) < error


def test_auto_says_the_verdict_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--transport", "simulated", "--workers", "8", "--data", DATA, "--delay", MILD]
    run = ["run", "--scheme", "auto", *arguments, "--iterations", "20", "--out", "run", "--json"]
    assert run_command_line(run) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["scheme"] == "uncoded"
    assert result["planned"]["verdict"].startswith("do not code here: ")
    assert result["planned"]["over_uncoded"]["value"] == pytest.approx(1, abs=0.03)
    assert "do not code here: " in err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["planned"] == result["planned"]


def test_a_plan_is_made_again_from_its_record():
    first = plan(names=["uncoded", "mds-mmc", "uc-dynamic"])
    record = json.loads(json.dumps(to_json(first), allow_nan=False))
    second = replay(record)
    assert json.loads(json.dumps(to_json(second), allow_nan=False)) == record
    assert second.verdict.ratio == first.verdict.ratio
