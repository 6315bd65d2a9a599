"""A scheme of one's own, with an option of its own, is one file: every command takes it."""

import sys
from pathlib import Path

import pytest
from launching import command, mpiexec, mpirun

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAME, APART = "my_scheme:PairMMC", "my_scheme:PairMMC:apart=2"
FAST = "shifted-exponential:mu=50,alpha=0.005"
VIRTUAL = ("--transport", "simulated", "--workers", "4")
RUN = ("--load", "2", "--delay", FAST, "--iterations", "10")


def coded_dgd(*arguments):
    return command(sys.executable, "-m", "coded_dgd", *arguments, cwd=EXAMPLES)


def of_scheme(results, name):
    (found,) = (each for each in results["results"] if each["scheme"] == name)
    return found


@pytest.mark.mpi
def test_run_over_both_transports_with_the_same_delays(tmp_path):
    options = ["--scheme", APART, *RUN, "--check-gradient", "--json"]
    real = mpirun(5, *options, "--out", str(tmp_path / "real"), cwd=EXAMPLES)
    ideal = coded_dgd("run", *options, *VIRTUAL, "--out", str(tmp_path / "virtual"))
    assert (real.code, ideal.code) == (0, 0), real.err + ideal.err
    for done in (real, ideal):
        assert done.json["scheme"] == APART
        assert done.json["gradient_error"]["max"] < 1e-9
    expected = ideal.json["completion_time"]["mean"]
    assert real.json["ideal_completion_time"]["mean"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.mpi
def test_compare_over_both_transports(tmp_path):
    names = f"{NAME},{APART},uc-mmc-pg:tolerance=0.3"
    options = ["compare", "--schemes", names, *RUN, "--json", "--quiet", "--out"]
    real = command(
        mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd", *options, str(tmp_path / "real"),
        cwd=EXAMPLES,
    )  # fmt: skip
    ideal = coded_dgd(*options, str(tmp_path / "virtual"), *VIRTUAL)
    assert (real.code, ideal.code) == (0, 0), real.err + ideal.err
    for name in (NAME, APART):
        expected = of_scheme(ideal.json, name)["completion_time"]["mean"]
        found = of_scheme(real.json, name)["ideal_completion_time"]["mean"]
        assert found == pytest.approx(expected, rel=1e-9)
    near, apart = (of_scheme(ideal.json, name)["completion_time"] for name in (NAME, APART))
    assert near["mean"] != apart["mean"]  # the option makes a difference


def test_simulate():
    options = ["--workers", "8", "--load", "2", "--realisations", "1000", "--json", "--quiet"]
    done = coded_dgd("simulate", "--scheme", f"{NAME},{APART}", *options)
    assert done.code == 0, done.err
    assert [each["scheme"] for each in done.json["results"]] == [NAME, APART]
    assert all(each["expected_completion_time"] > 0 for each in done.json["results"])


def test_plan():
    done = coded_dgd(
        "plan", "--schemes", f"{APART},uncoded", *VIRTUAL, "--delay", FAST, "--iterations", "10",
        "--json", "--quiet",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert APART in str(done.json)


def test_it_is_gone_on_with_and_run_again_from_its_folder(tmp_path):
    folder = str(tmp_path / "run")
    done = coded_dgd("run", "--scheme", APART, *RUN, *VIRTUAL, "--out", folder, "--json")
    assert done.code == 0, done.err
    more = coded_dgd("run", "--resume", folder, "--iterations", "20", "--json")
    assert more.code == 0, more.err
    assert (more.json["scheme"], more.json["iterations"]) == (APART, 20)
    again = coded_dgd(
        "run", "--config", f"{folder}/config.toml", "--out", str(tmp_path / "again"), "--json"
    )
    assert again.code == 0, again.err
    assert again.json["loss"] == more.json["loss"]


def test_train():
    code = (
        "import numpy as np, coded_dgd\n"
        "X = np.random.default_rng(0).standard_normal((40, 3))\n"
        f"result = coded_dgd.train(X, X @ [1, 2, 3], scheme={APART!r}, transport='simulated',\n"
        "    workers=4, load=2, iterations=5)\n"
        "print(result.summary['scheme'])\n"
    )
    done = command(sys.executable, "-c", code, cwd=EXAMPLES)
    assert (done.code, done.out.strip()) == (0, APART), done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{NAME}:apat=2", "has no parameter 'apat' (did you mean 'apart'?); it takes: apart"),
        (f"{NAME}:apart=far", "apart=far is not a whole number"),
        ("uc-mmc-pg:tolerance=2", "--tolerance 2 is out of range"),
        ("gc:redundancy=2", "scheme gc has no parameter 'redundancy'"),
    ],
)
def test_options_that_are_none_are_refused_in_one_line(name, words):
    done = coded_dgd("run", "--scheme", name, *RUN, *VIRTUAL)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1
