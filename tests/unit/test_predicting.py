"""``coded-dgd theory`` and ``coded-dgd simulate`` on the command line."""

import csv
import json

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.theory import predict

CONTRACT = {
    "scheme",
    "workers",
    "blocks",
    "load",
    "expected_completion_time",
    "std",
    "standard_error",
    "communication_load",
    "method",
}


@pytest.fixture
def called(capsys):
    """Run a command with --json; return its object, which is all there is on stdout."""

    def call(*arguments):
        assert run_command_line([*arguments, "--json"]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return json.loads(out, parse_constant=pytest.fail)

    return call


def refused(capsys, *arguments):
    """Run a command that is refused; return the one line that it says."""
    assert run_command_line([*arguments, "--quiet"]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.count("\n") == 1
    return captured.err


def test_theory_is_exact(called):
    result = called("theory", "--scheme", "uc-mmc", "--workers", "10", "--load", "5")
    assert result.keys() >= CONTRACT
    assert "cdf" not in result
    exact = predict(schemes.create("uc-mmc", 10, load=5), delays.create("shifted-exponential", 0))
    assert result["expected_completion_time"] == exact.mean
    assert result["communication_load"] == exact.communication_load
    assert result["quantiles"]["p95"] == exact.quantile(0.95)
    assert (result["method"], result["standard_error"]) == ("exact", None)
    assert result["tolerance"] == 1e-9
    assert 0 < result["lower_limit"] < result["expected_completion_time"]


def test_simulate_is_monte_carlo(called):
    arguments = ("--workers", "10", "--realisations", "5000", "--cdf", "0.1,0.3")
    exact, drawn = called("theory", *arguments), called("simulate", *arguments)
    assert drawn.keys() == exact.keys() >= CONTRACT | {"cdf"}
    assert (drawn["method"], drawn["realisations"]) == ("monte-carlo", 5000)
    assert drawn["tolerance"] is None
    z = (drawn["expected_completion_time"] - exact["expected_completion_time"]) / drawn[
        "standard_error"
    ]
    assert abs(z) < 4
    assert exact["cdf_at"] == [0.1, 0.3]
    for p, q, error in zip(exact["cdf"], drawn["cdf"], drawn["cdf_standard_error"], strict=True):
        assert abs(p - q) <= 4 * error


def test_several_schemes_and_loads(called, capsys):
    results = called("theory", "--workers", "6", "--scheme", "lcc,uncoded,sgc", "--load", "1,2..3")
    cases = [(each["scheme"], each["load"], each["method"]) for each in results["results"]]
    assert cases[:4] == [
        ("lcc", 1, None),
        ("lcc", 2, "exact"),
        ("lcc", 3, "exact"),
        ("uncoded", 1, "exact"),
    ]
    assert len(cases) == 5
    infeasible = results["results"][0]
    assert infeasible.keys() >= CONTRACT
    assert "use --load 2" in infeasible["notes"][0]


def test_an_option_goes_to_the_schemes_that_take_it(called):
    plain, partial = called(
        "theory", "--workers", "6", "--scheme", "uc-mmc,uc-mmc-pg", "--tolerance", "0.5"
    )["results"]
    assert partial["expected_completion_time"] < 0.7 * plain["expected_completion_time"]


def test_schemes_that_can_do_with_less_have_no_lower_limit(called):
    assert called("theory", "--scheme", "uc-mmc-pg")["lower_limit"] is None
    assert called("theory", "--scheme", "sgc", "--workers", "5")["lower_limit"] is None


def test_the_table_goes_to_stderr(capsys):
    assert run_command_line(["theory", "--workers", "4"]) == 0
    captured = capsys.readouterr()
    assert not captured.out
    assert "lcc-mmc" in captured.err
    assert run_command_line(["theory", "--workers", "4", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_not_finite_is_null_and_said(called, tmp_path):
    file = tmp_path / "durations.npy"
    np.save(file, np.array([[0.1, 0.1]] * 3 + [[0.1, np.inf]]))
    result = called("simulate", "--workers", "2", "--scheme", "uncoded", "--delay", f"trace:{file}")
    assert result["expected_completion_time"] is result["std"] is result["standard_error"] is None
    assert result["quantiles"] == {"p50": 0.1, "p95": None, "p99": None}
    assert "never complete" in result["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--load", "0"], "give a number, or several"),
        (["--load", "-2"], "give a number, or several"),
        (["--load", "2.."], "give a number, or several"),
        (["--load", ""], "give a number, or several"),
        (["--cdf", "0.1,x"], "give instants in seconds"),
        (["--cdf", "nan"], "give instants in seconds"),
        (["--scheme", "lcc", "--load", "1"], "use --load 2"),
        (["--scheme", "lcc-mmcc"], "did you mean 'lcc-mmc'"),
        (["--tolerance", "0.1"], "--tolerance means nothing to lcc-mmc: leave it out"),
        (["--scheme", "sgc", "--load", "3"], "--load means nothing to sgc: leave it out"),
        (["--delay", "none"], "give a delay model"),
        (["--workers", "0"], "--workers has to be 1 or more"),
    ],
)
def test_wrong_usage_is_one_line(capsys, arguments, words):
    for command in ("theory", "simulate"):
        assert words in refused(capsys, command, *arguments)


def test_training_in_virtual_time(called, tmp_path):
    out = tmp_path / "out"
    results = called(
        "simulate",
        *("--scheme", "lcc-mmc,uc-mmc-pg,gc", "--workers", "8", "--load", "4"),
        *("--realisations", "100", "--train", "60", "--gap", "0.01", "--out", str(out)),
        *("--data", "synthetic:rows=60,features=4"),
    )["results"]
    with (out / "convergence.csv").open(newline="") as file:
        steps = list(csv.DictReader(file))
    assert len(steps) == 3 * 61
    for result in results:
        own = [step for step in steps if step["scheme"] == result["scheme"]]
        seconds = [float(step["seconds"]) for step in own]
        distances = np.array([float(step["distance"]) for step in own])
        assert [int(step["iteration"]) for step in own] == list(range(61))
        assert seconds == sorted(seconds)
        assert seconds[0] == 0
        training = result["training"]
        assert training["virtual_time"] == seconds[-1]
        reached = int(np.argmax(distances <= 0.01 * distances[0]))
        assert training["iterations_to_gap"] == reached > 0
        assert training["time_to_gap"] == seconds[reached]
        assert seconds[-1] / 60 == pytest.approx(result["expected_completion_time"], rel=0.5)


def test_what_training_needs(capsys, tmp_path):
    out = str(tmp_path / "out")
    assert "leave it out, or train" in refused(capsys, "simulate", "--out", out)
    assert "1 or more" in refused(capsys, "simulate", "--train", "0", "--out", out)
    assert "--gap" in refused(capsys, "simulate", "--train", "3", "--gap", "1")
    wrong = ("--objective", "logistic", "--realisations", "10")
    assert "degree 2" in refused(capsys, "simulate", "--train", "3", "--out", out, *wrong)
    assert not (tmp_path / "out").exists()
    assert "is not overwritten" in refused(
        capsys, "simulate", "--train", "3", "--out", str(tmp_path)
    )


def test_theory_of_sgc_has_the_bound_of_theorem_1(called):
    small = ("--scheme", "sgc", "--workers", "20", "--data", "synthetic:rows=60,features=3")
    bound = called("theory", *small, "--p", "0.3", "--epsilon", "1e-3", "--iterations", "40")
    theorem = bound["theorem1"]
    assert (theorem["p"], theorem["epsilon"], theorem["iterations"]) == (0.3, 1e-3, 40)
    assert theorem["bound"] > 0
    assert not theorem["applies"]
    failing = [each["text"] for each in theorem["conditions"] if not each["holds"]]
    assert any("Definition 1" in text for text in failing)
    assert all(any(text in note for note in bound["notes"]) for text in failing)
    assert called("theory", *small, "--wait", "fastest:15")["theorem1"]["p"] == 0.25
    assert "theorem1" not in called("theory", *small, "--wait", "deadline:1")
    assert "theorem1" not in called("theory", "--scheme", "bgc", "--workers", "5")


def test_both_limits_are_told(called, capsys):
    found = called("theory", "--scheme", "uc-mmc", "--workers", "10", "--load", "5")
    assert 0 < found["perfect_split"] < found["lower_limit"]
    assert found["perfect_split_standard_error"] is None
    drawn = called("simulate", "--workers", "10", "--delay", "pareto:tasks=independent",
                   "--realisations", "100")  # fmt: skip
    assert drawn["lower_limit"] is None
    assert 0 < drawn["perfect_split_standard_error"] < 0.1 * drawn["perfect_split"]
    approximate = called("theory", "--scheme", "ignore-stragglers", "--workers", "10")
    assert approximate["perfect_split"] is approximate["lower_limit"] is None
    run_command_line(["theory", "--workers", "10"])
    assert "perfect split" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["theory", "simulate"])
def test_dynamic_schemes_are_simulated_in_fewer_iterations(called, command):
    found = called(command, "--scheme", "uc-dynamic", "--workers", "10", "--copies", "3")
    assert found["method"] == "monte-carlo"
    assert (found["blocks"], found["load"]) == (40, 12)
    assert 100 < found["realisations"] < 100_000
    assert found["perfect_split"] < found["lower_limit"] < found["expected_completion_time"]
    assert found["communication_load"] >= 40
    assert 0 < found["standard_error"] < 0.01 * found["expected_completion_time"]
