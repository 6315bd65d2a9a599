"""Memory: predicted before the run, and measured by every rank."""

import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi


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
    assert done.code == 0, done.err
    predicted, measured = done.json["memory"]["predicted"], done.json["memory"]["measured"]
    for where in ("worker", "master"):
        assert 0.85 <= predicted[where] / measured[where] <= 1.15
    assert f"memory: at most {predicted['worker'] / 1e6:.0f} MB on a worker" in done.err
