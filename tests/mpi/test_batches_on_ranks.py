"""Mini-batches on real ranks: all copies draw the same rows, whoever makes the blocks."""

import numpy as np
import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi

DATA = "synthetic:rows=20003,features=50"
QUICK = ["--load", "3", "--data", DATA, "--json", "--check-gradient", "--iterations", "15",
         "--batch", "0.05", "--delay", "none"]  # fmt: skip


def test_the_gradient_is_that_of_the_batch_and_the_model_that_of_one_process(tmp_path):
    ways = [["--encode", "master", "--share-blocks"], ["--encode", "local", "--no-share-blocks"]]
    models = []
    for number, way in enumerate(ways):
        options = [*QUICK, "--scheme", "uc-mmc", *way, "--out", str(number)]
        done = mpirun(5, *options, cwd=tmp_path)
        assert done.code == 0, done.err
        assert done.json["gradient_error"]["max"] <= 1e-12
        assert done.json["epochs"] == pytest.approx(15 * 1000 / 20003)
        models.append(np.load(tmp_path / str(number) / "beta.npy"))
    options = [*QUICK, "--scheme", "gc", "--out", "gc"]
    assert mpirun(5, *options, cwd=tmp_path).code == 0
    models.append(np.load(tmp_path / "gc" / "beta.npy"))
    for other in models[1:]:
        np.testing.assert_allclose(other, models[0], rtol=0, atol=1e-10 * np.abs(models[0]).max())


def test_a_spare_worker_draws_the_batches_of_the_lost_one(tmp_path, fault_tolerance):
    done = mpirun(
        5, "--scheme", "uncoded", "--spare", "1", "--data", "synthetic:rows=2003,features=20",
        "--batch", "0.1", "--check-gradient", "--iterations", "15", "--json",
        "--delay", "shifted-exponential:mu=200,alpha=0.002",
        cwd=tmp_path, script="faulty.py", FAULTS="kill:1:3", timeout=60,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["workers_lost"] == [2]
    assert done.json["gradient_error"]["max"] <= 1e-12
