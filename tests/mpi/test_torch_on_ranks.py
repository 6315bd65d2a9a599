"""A network of PyTorch on real ranks: the same parameters as in one process, also after a loss."""

import sys
from pathlib import Path

import numpy as np
import pytest
from launching import alone, command, mpiexec, mpirun, several

pytest.importorskip("torch", reason="PyTorch is not installed")
datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")

pytestmark = pytest.mark.mpi

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORKERS = 8
SCHEMES = {
    "uc-mmc": ["--load", "3"],
    "gc": ["--load", "3"],
    "sgc": ["--wait", "all", "--redundancy", "3"],
}
TRAINING = [
    "--objective", "network:objective", "--data", "digits.npz", "--optimizer", "nesterov",
    "--step-size", "3e-4", "--ridge", "0.3", "--iterations", "50", "--seed", "4",
    "--delay", "none", "--json",
]  # fmt: skip


def line(scheme, *more):
    return ["--scheme", scheme, *SCHEMES.get(scheme, ()), *TRAINING, "--out", scheme, *more]


def one_process(folder, *more):
    done = alone(*line("uncoded", "--transport", "simulated", "--workers", "1", *more), cwd=folder)
    assert done.code == 0, done.err
    return np.load(folder / "uncoded" / "beta.npy")


def assert_same(folder, scheme, expected):
    found = np.load(folder / scheme / "beta.npy")
    assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)


@pytest.fixture
def folder(tmp_path):
    """A folder with the network of the examples, and rows that 8 does not divide."""
    (tmp_path / "network.py").write_text((EXAMPLES / "network.py").read_text(encoding="utf-8"))
    X, y = datasets.load_digits(return_X_y=True)
    np.savez(tmp_path / "digits.npz", X=X[:1003] / 16, y=y[:1003])
    return tmp_path


BATCHES = "--batch", "0.25", "--optimizer", "gd"


@pytest.mark.parametrize("more", [(), BATCHES], ids=["all rows", "mini-batches"])
def test_the_parameters_are_those_of_one_process(folder, more):
    lines = [["run", *line(scheme, *more)] for scheme in SCHEMES]
    for done in several(1 + WORKERS, lines, folder):
        assert done.code == 0, done.err
        assert done.json["accuracy"] > 0.8
    expected = one_process(folder, *more)
    for scheme in SCHEMES:
        assert_same(folder, scheme, expected)


@pytest.mark.parametrize("scheme", ["uc-mmc", pytest.param("gc", marks=pytest.mark.slow)])
def test_a_killed_worker_changes_nothing(folder, fault_tolerance, scheme):
    given = line(scheme, *BATCHES)
    done = mpirun(1 + WORKERS, *given, cwd=folder, script="faulty.py", FAULTS="kill:2:20")
    assert done.code == 0, done.err
    assert done.json["workers_lost"] == [3]
    assert_same(folder, scheme, one_process(folder, *BATCHES))


def test_memory_and_start_up_are_predicted_with_pytorch(folder):
    done = mpirun(3, *line("uncoded", "--iterations", "3"), cwd=folder)
    assert done.code == 0, done.err
    predicted, measured = done.json["memory"]["predicted"], done.json["memory"]["measured"]
    for where in ("worker", "master"):
        assert 0.85 <= predicted[where] / measured[where] <= 1.15
    assert "start-up: workers load what the objective needs, for about" in done.err


def test_a_module_that_draws_random_numbers_is_one_line(folder):
    source = (folder / "network.py").read_text(encoding="utf-8")
    (folder / "network.py").write_text(source.replace("nn.Tanh()", "nn.Tanh(), nn.Dropout()"))
    done = mpirun(3, *line("uncoded", "--quiet"), cwd=folder)
    assert done.code == 2
    (said,) = done.said
    assert "a forward pass draws random numbers, as Dropout does" in said


def test_the_example_is_right_on_images_that_it_has_not_seen(tmp_path):
    done = command(
        mpiexec(), "-n", "3", sys.executable, "-m", "mpi4py", str(EXAMPLES / "digits.py"),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert float(done.out.split()[1]) >= 0.97
    assert (tmp_path / "digits.npz").exists()
