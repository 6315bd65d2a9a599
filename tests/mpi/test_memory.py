"""Memory: predicted before the run, and measured by every rank."""

import numpy as np
import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi


def foreseen(done):
    """The prediction, which is held against what was measured."""
    assert done.code == 0, done.err
    predicted, measured = done.json["memory"]["predicted"], done.json["memory"]["measured"]
    for where in ("worker", "master"):
        assert 0.85 <= predicted[where] / measured[where] <= 1.15
    return predicted


@pytest.mark.parametrize(
    "options",
    [
        ["uncoded"],
        ["mds-mmc", "--load", "3"],
        ["lcc-mmc", "--load", "3", "--encode", "local"],
        ["uc-mmc", "--load", "2", "--encode", "local"],
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in (
                ["uc-mmc", "--load", "4"],
                ["lcc-mmc", "--load", "3"],
                ["sgc", "--blocks", "40"],
                ["mds-mmc", "--load", "3", "--encode", "local"],
            )
        ),
    ],
)
def test_the_prediction_is_within_15_percent(tmp_path, options):
    done = mpirun(
        5, "--scheme", *options, "--data", "synthetic:rows=60000,features=100", "--delay", "none",
        "--iterations", "3", "--json", cwd=tmp_path,
    )  # fmt: skip
    predicted = foreseen(done)
    assert f"memory: at most {predicted['worker'] / 1e6:.0f} MB on a worker" in done.err


@pytest.fixture
def sparse_file(tmp_path):
    """80,000 rows of 30 entries, of two classes."""
    rng = np.random.default_rng(0)
    columns = rng.integers(1, 9, size=(80_000, 1)) + 8 * np.arange(30)
    lines = (
        f"{row % 2} " + " ".join(f"{column}:{row % 7 + 1}" for column in own)
        for row, own in enumerate(columns.tolist())
    )
    (tmp_path / "data.svm").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("kernel", "data"),
    [
        ("sparse", ["--data", "data.svm", "--objective", "logistic"]),
        pytest.param(
            "gram", ["--data", "synthetic:rows=40000,features=500"], marks=pytest.mark.slow
        ),
    ],
)
def test_the_prediction_with_shared_blocks_is_within_15_percent(
    tmp_path, sparse_file, kernel, data
):
    """Each of the 4 workers has all blocks."""
    done = mpirun(
        5, "--scheme", "uc-mmc", "--load", "4", "--kernel", kernel, *data, "--delay", "none",
        "--iterations", "3", "--json", cwd=tmp_path,
    )  # fmt: skip
    foreseen(done)


def test_a_model_may_have_more_parameters_than_a_worker_has_numbers(tmp_path):
    """300 classes of 2,000 columns: vectors of 4.8 MB, and blocks of 2.4 MB."""
    X = np.random.default_rng(0).standard_normal((600, 2000))
    np.save(tmp_path / "data.npy", np.column_stack([X, np.arange(600) % 300]))
    done = mpirun(
        5, "--scheme", "uncoded", "--data", "data.npy", "--objective", "softmax",
        "--iterations", "3", "--delay", "none", "--json", cwd=tmp_path,
    )  # fmt: skip
    foreseen(done)
