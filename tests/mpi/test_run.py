"""Whole runs on real ranks, started as a user starts them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from launching import command, mpiexec, mpirun, several

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation.labels import encoded
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source

pytestmark = pytest.mark.mpi

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FAST = "shifted-exponential:mu=200,alpha=0.002"


def serial_descent(config):
    """Plain gradient descent with the steps of the run."""
    source = open_source(config["data"], config["seed"])
    objective = objectives.create(config["objective"])
    problem = Problem(encoded(source, objective), objective, config["ridge"])
    step = 1 / problem.lipschitz()
    beta = np.zeros(problem.source.features)
    for _ in range(config["iterations"]):
        beta = beta - step * problem.gradient(beta)
    return beta


SCHEMES = [*schemes.names(), "lcc-mmc-2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What a run of each scheme has left, all of them in one job; its folder is named after it."""
    folder = tmp_path_factory.mktemp("trained")
    common = ["--delay", FAST, "--iterations", "40", "--check-gradient", "--json"]
    lines = [["run", "--scheme", scheme, *common, "--out", scheme] for scheme in SCHEMES]
    lines[SCHEMES.index("uc-mmc-pg")] += ["--tolerance", "0"]
    return folder, dict(zip(SCHEMES, several(5, lines, folder), strict=True))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_trains_as_serial_gradient_descent_does(trained, scheme):
    folder, runs = trained
    done = runs[scheme]
    assert done.code == 0, done.err
    result = done.json
    assert result["status"] == "done"
    assert result["gradient_error"]["max"] <= 1e-9
    beta = np.load(folder / scheme / "beta.npy")
    serial = serial_descent(read_toml(folder / scheme / "config.toml"))
    assert np.linalg.norm(beta - serial) <= 1e-8 * np.linalg.norm(serial)


def test_logistic_regression(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((101, 6))
    positive = X @ rng.standard_normal(6) + rng.standard_normal(101) > 0
    cases = {"gc": ([0, 1], "master"), "uc-mmc": ([1, 2], "local"), "sgc": ([-3.5, -1], "master")}
    common = ["--objective", "logistic", "--ridge", "0.1", "--delay", FAST, "--iterations", "50"]
    common += ["--check-gradient", "--json"]
    lines = []
    for name, (classes, encode) in cases.items():
        y = np.where(positive, classes[1], classes[0])
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
        own = ["--scheme", name, "--data", f"{name}.npz", "--encode", encode, "--out", name]
        lines.append(["run", *own, *common])
    for (name, (classes, _)), done in zip(cases.items(), several(4, lines, tmp_path), strict=True):
        assert done.code == 0, done.err
        assert done.json["classes"] == classes
        assert done.json["gradient_error"]["max"] <= 1e-9
        assert 0.7 < done.json["accuracy"] < 1, name
        serial = serial_descent(
            {**read_toml(tmp_path / name / "config.toml"), "data": str(tmp_path / f"{name}.npz")}
        )
        np.testing.assert_allclose(np.load(tmp_path / name / "beta.npy"), serial, rtol=1e-8)


def test_stochastic_gradient_coding_goes_on_without_the_stragglers(tmp_path):
    done = mpirun(
        9, "--scheme", "sgc", "--wait", "deadline:0.4", "--iterations", "30", "--check-gradient",
        "--json", "--delay", "bernoulli:p=0.4,slow=20,fast=0.01", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    result = done.json
    assert 0.39 < result["completion_time"]["mean"] < 0.5
    assert 0.2 < result["straggler_probability"] < 0.6
    assert result["loss"] < 1e5  # of 1.9e6 at beta = 0


def test_the_example_script_runs_inside_a_script_of_ones_own(tmp_path):
    done = command(
        mpiexec(), "-n", "5", sys.executable, str(EXAMPLES / "own_script.py"), cwd=tmp_path
    )
    assert done.code == 0, done.err
    iterations, shape, accuracy = done.out.split(maxsplit=1)[0], "(1, 20)", done.out.split()[-1]
    assert iterations == "200"
    assert shape in done.out
    assert float(accuracy) > 0.9


def test_training_twice_in_one_script_and_errors_in_between(tmp_path):
    (tmp_path / "script.py").write_text(SAY + TWICE)
    done = command(mpiexec(), "-n", "3", sys.executable, "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    # every rank raises what rank 0 does
    assert sorted(done.out.split()) == sorted(3 * ["refused"] + ["[1.0,", "2.0]", "[2.0,", "4.0]"])


SAY = """
import os

def say(*words):
    # one write for a line: ranks share the stream, and print writes word by word to a pipe
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

TWICE = """
import numpy as np
from coded_dgd import train
from coded_dgd.errors import UsageError
X = np.vstack([np.eye(2)] * 3)
try:
    train(X, X @ [1, 2], scheme="lcc-mcc")
except UsageError:
    say("refused")
for factor in (1, 2):
    result = train(X, factor * X @ [1, 2], scheme="mds-mmc", load=2, iterations=50)
    if result:
        say(result.coef_.round(9).tolist())
"""


def test_arguments_of_a_script_are_checked_where_there_are_workers(tmp_path):
    (tmp_path / "script.py").write_text(SAY + ARGUMENTS)
    done = command(mpiexec(), "-n", "3", sys.executable, "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    said = [*dict.fromkeys(done.out.splitlines())]  # whichever ranks say it
    assert [line.partition(":")[0] for line in said] == [
        "y, row 2", "objective Needs cannot be made without arguments (TypeError",
        "train takes X and y, and all else by name, such as scheme='uc-mmc'", "sparse", "products",
    ]  # fmt: skip
    assert [line.partition(":")[2] for line in said[3:]] == [" [1.0, 2.0]"] * 2


ARGUMENTS = """
import numpy as np
import scipy.sparse as sp
from coded_dgd import train
from coded_dgd.errors import CodedDGDError
from coded_dgd.problems.objectives.least_squares import LeastSquares

class Own(LeastSquares):
    pass

class Needs(LeastSquares):
    def __init__(self, factor):
        pass

X = np.vstack([np.eye(2)] * 3)
y = X @ [1, 2]
for arguments, options in (
    ((X, np.ma.masked_array(y, np.arange(6) == 1)), {}),
    ((X, y), {"objective": Needs}),
    ((X, y, "gc"), {}),
    ((sp.csc_array(X), y[:, None]), {"kernel": "sparse"}),
    ((X.tolist(), list(y)), {"objective": Own, "step_size": np.float32(0.25), "seed": np.int64(3)}),
):
    try:
        result = train(*arguments, scheme="uc-mmc", load=2, iterations=100, **options)
    except CodedDGDError as error:
        say(error)
    else:
        if result:
            say(f"{result.summary['kernel']}: {result.coef_.round(6).tolist()}")
"""


def test_an_objective_of_ones_own(tmp_path):
    (tmp_path / "script.py").write_text(SAY + HUBER)
    done = command(mpiexec(), "-n", "4", sys.executable, "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    assert sorted(done.out.splitlines()) == [
        "gc [1.0, 2.0]",
        *4 * ["lcc refused: Huber"],
        *4
        * [
            "lcc-mmc refused: objective Number: slope returned the float 0.0, and has to return a "
            "real array of shape (8,), one number for each row"
        ],
        "lcc-mmc twice [0.75, 1.5]",
        "uc-mmc [1.0, 2.0]",
    ]


HUBER = """
import numpy as np
from coded_dgd import train
from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives import LinearModel

class Huber(LinearModel):
    curvature = 1.0
    def slope(self, z, y):
        return np.clip(z if y is None else z - y, -1, 1)
    def loss(self, X, y, beta):
        r = np.abs(X @ beta - y)
        return float(np.where(r < 1, r * r / 2, r - 0.5).sum())

X = np.random.default_rng(0).standard_normal((200, 2))
y = X @ [1, 2]
y[0] = 1e6  # least squares would follow it
for scheme in ("gc", "uc-mmc", "lcc"):
    try:
        result = train(X, y, scheme=scheme, objective=Huber(), iterations=200)
    except UsageError as error:
        say(scheme, "refused:", "Huber" if "Huber" in str(error) else error)
    else:
        if result:
            say(scheme, (result.coef_.round(1) + 0).tolist())

class Number(LinearModel):
    degree = 2
    def slope(self, z, y):
        return 0.0
    def loss(self, X, y, beta):
        return 0.0

class Twice(Number):
    # ||X beta - y||^2
    curvature = 2.0
    def slope(self, z, y):
        return 2 * (z if y is None else z - y)
    def loss(self, X, y, beta):
        return float(np.sum((X @ beta - y) ** 2))

try:
    train(X, y, scheme="lcc-mmc", objective=Number(), step_size="1")
except UsageError as error:
    say("lcc-mmc refused:", error)
X = np.vstack([np.eye(2)] * 3)
result = train(X, X @ [1, 2], scheme="lcc-mmc", load=3, objective=Twice(), ridge=2.0)
if result:
    say("lcc-mmc twice", (result.coef_.round(9) + 0).tolist())
"""


def test_the_example_scheme_runs_by_its_import_path(tmp_path):
    done = mpirun(
        5, "--scheme", "my_scheme:PairMMC", "--delay", FAST, "--iterations", "10",
        "--check-gradient", "--json", "--out", str(tmp_path / "run"), cwd=EXAMPLES,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["gradient_error"]["max"] < 1e-9
    assert done.json["load"] == 2


def test_two_ranks_are_enough(tmp_path):
    done = mpirun(2, "--delay", FAST, "--iterations", "5", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.json["workers"] == 1


def test_partial_gradients_leave_blocks_out(tmp_path):
    done = mpirun(
        9, "--scheme", "uc-mmc-pg", "--tolerance", "0.25", "--delay", FAST,
        "--check-gradient", "--iterations", "20", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert 1e-3 < done.json["gradient_error"]["median"] < 1
    assert done.json["loss"] < 1e5  # of 1.9e6 at beta = 0


def test_forty_one_ranks_with_nothing_given(tmp_path):
    done = mpirun(41, "--iterations", "10", "--json", "--check-gradient", cwd=tmp_path)
    assert done.code == 0, done.err
    result = done.json
    assert (result["scheme"], result["workers"], result["blocks"], result["load"]) == (
        "lcc-mmc", 40, 40, 10,
    )  # fmt: skip
    assert result["gradient_error"]["max"] <= 1e-6
    assert 79 <= result["communication_load"] <= 90
    assert result["completion_time"]["mean"] >= result["ideal_completion_time"]["mean"]
    assert result["worker_cpu"]["max"] < 0.05
    assert "pmix_ptl_base" not in done.err  # see test_processes.py


def test_the_run_folder_says_everything_and_runs_again(tmp_path):
    lines = [
        ["run", "--scheme", "uc-mmc", "--load", "2", "--delay", FAST, "--iterations", "6",
         "--seed", "3", "--out", "first", "--json"],
        ["run", "--config", "first/config.toml", "--out", "again"],
        ["run", "--config", "first/config.toml", "--delay", "trace:first/arrivals.npz", "--quiet"],
    ]  # fmt: skip
    done, again, replayed = several(4, lines, tmp_path)
    assert done.code == 0, done.err
    first = tmp_path / "first"
    records = [json.loads(line) for line in (first / "iterations.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in records] == list(range(6))
    assert json.loads((first / "summary.json").read_text()) == done.json
    arrivals = np.load(first / "arrivals.npz")
    assert arrivals["arrival"].shape == (6, 3, 2)
    np.testing.assert_array_equal(arrivals["tasks_done"], [[1, 2]] * 3)
    times = [record["completion_time"] for record in records]
    assert all(time in arrivals["arrival"][t] for t, time in enumerate(times))
    assert again.code == 0, again.err
    assert (tmp_path / "again" / "config.toml").read_text() == (first / "config.toml").read_text()
    np.testing.assert_allclose(
        np.load(tmp_path / "again" / "beta.npy"), np.load(first / "beta.npy"), rtol=1e-12
    )
    assert replayed.code == 0, replayed.err
    assert replayed.err == ""


def test_json_is_the_only_thing_on_stdout(tmp_path):
    done = mpirun(3, "--delay", "none", "--iterations", "3", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    needed = """
        scheme workers blocks load iterations status completion_time ideal_completion_time
        expected_completion_time communication_load wasted_messages decode_time weights_time
        update_time gradient_error error_amplification distance_to_optimum loss startup_time
        shutdown_time wall_time workers_lost run_folder
    """
    assert set(needed.split()) <= set(done.json)
    assert done.json["ideal_completion_time"] is None
    assert "completion time" in done.err


def test_a_persistent_straggler_is_not_waited_for(tmp_path):
    lines = [
        ["run", "--scheme", scheme, "--load", load, "--iterations", "50", "--json",
         "--delay", "persistent:ranks=1,factor=20"]
        for scheme, load in (("lcc-mmc", "3"), ("uc-mmc", "2"))
    ]  # fmt: skip
    for done in several(5, lines, tmp_path):
        assert done.code == 0, done.err
        result = done.json
        ideal = 50 * result["ideal_completion_time"]["mean"]
        assert ideal < 2.0
        # whoever replayed old iterations would take 50 x 0.2 s; a busy machine is late, too
        assert result["training_time"] + result["shutdown_time"] < 3 * ideal


def test_defaults_are_the_configuration_class():
    assert RunConfig().scheme == "lcc-mmc"
    assert RunConfig().iterations == 100
