"""Time to a target: every scheme with every optimizer, until the gradient is small enough."""

import csv
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.comparison import compare, configurations
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.planner.descent import descend

WORKERS = 8
TARGET = 1e-3
OPTIMIZERS = "gd,nesterov,cg,lbfgs"
DATA = "synthetic:rows=61,features=8"
OPTIONS = [
    "--transport", "simulated", "--workers", str(WORKERS), "--load", "4", "--data", DATA,
    "--iterations", "60",
]  # fmt: skip


def command(*arguments):
    return run_command_line(["compare", *OPTIONS, *arguments])


def refused(capsys, *arguments):
    assert command(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def configure(schemes, steppers, **options):
    options = {"iterations": 60, "load": 4, "data": DATA, "stop_at": TARGET} | options
    config = RunConfig(workers=WORKERS, transport="simulated", check_gradient=True, **options)
    return configurations(schemes, config, steppers)


def run(schemes, steppers, **options):
    said = []
    transport = SimulatedTransport(WORKERS)
    return compare(configure(schemes, steppers, **options), transport, say=said.append), said


def counted(config, target):
    """Iterations that an optimizer takes in one process, the last with a gradient small enough."""
    setup = prepare(config, None)
    problem = setup.problem()
    optimizer = setup.optimizer(problem.start(config.seed), setup.schedule(problem))
    return len(descend(optimizer, problem, target, 1000))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the command prints and writes."""
    out = tmp_path_factory.mktemp("until") / "out"
    done = subprocess.run(
        [
            sys.executable, "-m", "coded_dgd", "compare", *OPTIONS, "--json", "--out", str(out),
            "--schemes", "uncoded,lcc,uc-mmc", "--optimizers", OPTIMIZERS,
            "--until", str(TARGET),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr, out


NAMES = [
    f"{scheme} + {each}"
    for scheme in ("uncoded", "lcc", "uc-mmc")
    for each in OPTIMIZERS.split(",")
]


def test_counts_are_those_of_a_single_process(told):
    result, _, _ = told
    for each in result["results"]:
        config = RunConfig(
            scheme=each["scheme"], optimizer=each["optimizer"], workers=WORKERS, data=DATA
        )
        assert each["to_target"]["iterations"] == counted(config, TARGET) == each["iterations"]
        assert each["status"] == "converged"
        assert each["gradient_norm_ratio"] <= TARGET


def test_names_are_unique_everywhere(told):
    result, err, out = told
    assert [each["name"] for each in result["results"]] == NAMES
    assert json.loads((out / "comparison.json").read_text()) == result
    assert (result["parameters"]["until"], result["parameters"]["optimizers"]) == (
        TARGET, OPTIMIZERS.split(","),
    )  # fmt: skip
    with (out / "schemes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == NAMES
    assert [float(row["to_target.seconds"]) for row in rows] == [
        each["to_target"]["seconds"] for each in result["results"]
    ]
    table = err.splitlines()
    (header,) = (number for number, line in enumerate(table) if line.startswith("scheme "))
    assert [line.split("  ")[0] for line in table[header + 1 : header + 1 + len(NAMES)]] == NAMES
    assert len({len(line) for line in table[header : header + 1 + len(NAMES)]}) == 1


def test_who_has_arrived_takes_no_further_turn(told):
    result, _, out = told
    with (out / "iterations.csv").open() as file:
        rows = list(csv.DictReader(file))
    turns = Counter(row["scheme"] for row in rows)
    for each in result["results"]:
        own = [row for row in rows if row["scheme"] == each["name"]]
        assert [int(row["iteration"]) for row in own] == list(range(each["iterations"]))
        assert turns[each["name"]] == each["to_target"]["iterations"]
        assert each["to_target"]["messages"] == sum(int(row["messages_used"]) for row in own)
        seconds = sum(float(row["completion_time"]) for row in own)
        assert each["to_target"]["seconds"] == pytest.approx(seconds)
        assert each["to_target"]["ideal_seconds"] == pytest.approx(seconds)
    first = result["results"][0]["to_target"]["seconds"]
    for each in result["results"]:
        assert each["speed_up"]["over"] == NAMES[0]
        assert each["speed_up"]["measured"] == pytest.approx(first / each["to_target"]["seconds"])
        assert each["speed_up"]["interval"] is None
    last = int(rows[-1]["iteration"])
    assert len([row for row in rows if int(row["iteration"]) == last]) < len(NAMES)


def test_every_contender_does_what_it_does_alone():
    comparison, said = run(["uncoded", "gc", "uc-mmc", "sgc"], ["gd", "nesterov"])
    assert said == []
    assert len({len(outcome.log) for outcome in comparison.outcomes.values()}) > 1
    for outcome in comparison.outcomes.values():
        alone = job.run(prepare(outcome.setup.config, None), SimulatedTransport(WORKERS))
        assert alone.status == outcome.status == "converged"
        assert len(alone.log) == len(outcome.log)
        np.testing.assert_array_equal(outcome.beta, alone.beta)
        times = [[record.completion_time for record in each.log] for each in (outcome, alone)]
        np.testing.assert_allclose(*times, rtol=1e-9)


def test_the_delays_are_the_same_for_every_optimizer():
    comparison, _ = run(["uc-mmc"], ["gd", "nesterov"])
    gd, nesterov = (
        [record.completion_time for record in outcome.log]
        for outcome in comparison.outcomes.values()
    )
    common = min(len(gd), len(nesterov))
    np.testing.assert_allclose(gd[:common], nesterov[:common], rtol=1e-9)


def test_what_is_not_reached_is_no_result(capsys, tmp_path):
    out = tmp_path / "out"
    assert command(
        "--schemes", "uncoded,uc-mmc", "--until", "1e-12", "--iterations", "5", "--json",
        "--out", str(out),
    ) == 0  # fmt: skip
    stdout, err = capsys.readouterr()
    for each in json.loads(stdout)["results"]:
        assert each["to_target"] == {
            "reached": False, "seconds": None, "ideal_seconds": None, "iterations": None,
            "messages": None,
        }  # fmt: skip
        assert (each["status"], each["converged"]) == ("done", False)
        assert each["speed_up"]["measured"] is None
        assert "name" not in each  # a single optimizer needs no naming
    rows = [line.split() for line in err.splitlines() if "  not reached  " in line]
    assert [row[0] for row in rows] == ["uncoded", "uc-mmc"]
    assert all(row[2:8] == ["not", "reached", "-", ">5", "-", "-"] for row in rows)
    assert "speed-up: over uncoded, and unknown as that has not reached it" in err
    assert (out / "schemes.csv").exists()


def test_optimizers_that_need_exact_gradients_leave_approximate_schemes_out():
    comparison, said = run(["uc-mmc", "sgc", "lcc"], ["nesterov", "cg", "lbfgs"])
    assert list(comparison.left_out) == ["sgc + cg", "sgc + lbfgs"]
    assert len(comparison.outcomes) == 7
    assert said == [f"{name} is left out: {why}" for name, why in comparison.left_out.items()]
    assert all("needs exact gradients" in why for why in comparison.left_out.values())


def test_an_optimizer_for_quadratic_objectives_is_left_out_of_others(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 3))
    y = X @ [1, -1, 2] + rng.standard_normal(50) > 0
    np.save(tmp_path / "data.npy", np.column_stack([X, y]))
    options = {"objective": "logistic", "data": str(tmp_path / "data.npy"), "ridge": 1.0}
    comparison, _ = run(["uc-mmc", "lcc"], ["cg", "lbfgs", "auto"], **options)
    assert list(comparison.outcomes) == ["uc-mmc + lbfgs", "uc-mmc + auto"]
    lbfgs, auto = comparison.outcomes.values()
    np.testing.assert_array_equal(lbfgs.beta, auto.beta)
    assert auto.setup.config.optimizer == "lbfgs"
    assert len(lbfgs.log) == counted(lbfgs.setup.config, TARGET)


def test_a_step_size_goes_to_those_that_take_one():
    comparison, said = run(["uc-mmc"], ["gd", "cg", "lbfgs"], step_size="0.005")
    assert said == []
    steps = [outcome.start.step for outcome in comparison.outcomes.values()]
    assert steps == [0.005, None, None]


def test_a_gradient_of_nothing_is_no_arrival():
    # in many iterations nothing arrives before the deadline, and the gradient is zero
    options = {"wait": "deadline:0.03", "load": None, "step_size": "0.001", "iterations": 200}
    comparison, _ = run(["ignore-stragglers"], None, stop_at=0.5, **options)
    (outcome,) = comparison.outcomes.values()
    norms = [record.gradient_norm for record in outcome.log]
    assert not all(norms)
    assert outcome.status == "converged"
    assert 0 < norms[-1] <= 0.5 * next(filter(None, norms))


def test_the_last_one_may_diverge_when_the_others_have_arrived():
    configs = configure(["uc-mmc"], ["gd", "nesterov"], stop_at=0.1, iterations=500)
    step = 1.9 / prepare(configs[0], None).problem().lipschitz()
    comparison, (line,) = run(
        ["uc-mmc"], ["gd", "nesterov"], stop_at=0.1, iterations=500, step_size=str(step)
    )
    assert list(comparison.outcomes) == ["uc-mmc + gd"]
    assert line.startswith("uc-mmc + nesterov is left out: diverged in iteration ")
    assert comparison.turns[-1] == ["uc-mmc + nesterov"]


def test_optimizers_are_compared_without_a_target_too(capsys, tmp_path):
    assert command(
        "--schemes", "uc-mmc", "--optimizers", "nesterov,gd", "--json", "--out",
        str(tmp_path / "out"),
    ) == 0  # fmt: skip
    stdout, err = capsys.readouterr()
    results = json.loads(stdout)["results"]
    assert [each["name"] for each in results] == ["uc-mmc + nesterov", "uc-mmc + gd"]
    assert all(each["iterations"] == 60 and "to_target" not in each for each in results)
    assert "speed-up: over uc-mmc + nesterov, in the same iterations" in err


@pytest.mark.parametrize("target", ["2", "0", "1", "-1e-3", "nan", "inf"])
def test_a_target_is_a_fraction(capsys, target):
    line = refused(capsys, "--until", target)
    assert line.startswith("coded-dgd: --until ")
    assert line.endswith("is a fraction of the first gradient: 0 < F < 1\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--optimizers", "gd,newton"], "'newton'"),
        (["--optimizers", "gd,nesterov,gd"], "--optimizers names gd twice: once is enough"),
        (["--optimizers", " ,"], "--optimizers names no optimizer: give some"),
        (
            ["--optimizers", "gd", "--optimizer", "gd"],
            "--optimizer and --optimizers are both given",
        ),
    ],
)
def test_wrong_optimizers_are_one_line(capsys, arguments, says):
    assert says in refused(capsys, "--until", "1e-2", *arguments)
