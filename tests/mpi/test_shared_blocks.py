"""Workers of one host hold copies of blocks together, whoever is lost."""

import json

import numpy as np
import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi

DATA = "synthetic:rows=20000,features=50"
QUICK = ["--scheme", "uc-mmc", "--load", "3", "--kernel", "products", "--data", DATA, "--json",
         "--check-gradient", "--iterations", "20",
         "--delay", "shifted-exponential:mu=200,alpha=0.002"]  # fmt: skip
UNION, COPIES = 4, 12  # blocks of 5000 rows: four instead of four times three
BLOCK = 8 * 5000 * 51


def run(cwd, *arguments, fault=None):
    script = {} if fault is None else {"script": "faulty.py", "FAULTS": fault}
    done = mpirun(5, *QUICK, *arguments, cwd=cwd, **script)
    assert done.code == 0, done.err
    assert done.json["gradient_error"]["max"] <= 1e-10
    return done


@pytest.mark.parametrize("encode", ["master", "local"])
def test_blocks_are_shared_and_the_model_is_the_same(tmp_path, encode):
    models, memory = [], []
    for option in ("--share-blocks", "--no-share-blocks"):
        done = run(tmp_path, "--encode", encode, option, "--out", option[2:])
        models.append(np.load(tmp_path / option[2:] / "beta.npy"))
        memory.append(done.json["memory"]["measured"]["workers"])
    np.testing.assert_allclose(*models, rtol=1e-12)
    saved = (memory[1] - memory[0]) / BLOCK
    assert saved > (COPIES - UNION) / 2  # pieces on their way are larger


SCATTERED = {"scheme": "held_memory:RandomCopies", "load": 6, "blocks": 16}
ALL = {"scheme": "uc-mmc", "load": 16, "blocks": 16}
DYNAMIC = {"scheme": "uc-dynamic", "blocks": 16, "copies": "all"}


@pytest.mark.parametrize(
    ("kind", "dtype", "copies"),
    [
        ("dense", "float64", SCATTERED),
        ("dense", "float32", ALL),
        ("sparse", "float32", SCATTERED),
        ("sparse", "float64", ALL),
        pytest.param("dense", "float64", ALL, marks=pytest.mark.slow),
        pytest.param("dense", "float32", SCATTERED, marks=pytest.mark.slow),
        pytest.param("sparse", "float32", ALL, marks=pytest.mark.slow),
        pytest.param("sparse", "float64", SCATTERED, marks=pytest.mark.slow),
        pytest.param("dense", "float64", DYNAMIC, marks=pytest.mark.slow),
        pytest.param("sparse", "float32", DYNAMIC, marks=pytest.mark.slow),
    ],
)
def test_a_host_holds_each_block_once_whatever_the_placement(tmp_path, kind, dtype, copies):
    """Each worker has 6 or all of 16 blocks, which are 1.5 or 4 copies of the data."""
    megabytes = "100" if dtype == "float32" else "50"
    options = copies | {"dtype": dtype, "objective": "logistic"}
    done = mpirun(5, kind, megabytes, json.dumps(options), cwd=tmp_path, script="held_memory.py")
    assert done.code == 0, done.err
    assert done.json["error"] <= (1e-5 if dtype == "float32" else 1e-12)
    assert 0.95 <= done.json["copies"] <= 1.05


def test_gram_matrices_are_shared(tmp_path):
    """Copies take 16 matrices of 2 MB, which are 4 different ones."""
    data = ["--data", "synthetic:rows=4000,features=500", "--kernel", "gram", "--load", "4"]
    shared, own = (
        run(tmp_path, *data, option).json["memory"]["measured"]["workers"]
        for option in ("--share-blocks", "--no-share-blocks")
    )
    assert own - shared > 8 * 500**2 * 12 * 0.8


@pytest.mark.parametrize(
    ("fault", "encode"),
    [
        ("kill-start", "master"),
        ("kill-load", "local"),
        ("kill", "master"),
        ("load", "local"),
        pytest.param("kill-start", "local", marks=pytest.mark.slow),
        pytest.param("kill-load", "master", marks=pytest.mark.slow),
        pytest.param("kill", "local", marks=pytest.mark.slow),
        pytest.param("load", "master", marks=pytest.mark.slow),
    ],
)
def test_the_worker_that_gets_the_blocks_is_lost(tmp_path, fault_tolerance, fault, encode):
    done = run(tmp_path, "--encode", encode, fault=f"{fault}:0:3")
    assert done.json["workers_lost"] == [1]


def test_the_worker_that_gets_the_blocks_is_replaced(tmp_path, fault_tolerance):
    done = run(tmp_path, "--replace", fault="kill:0:3 kill-load:1:0")
    assert set(done.json["workers_lost"]) >= {1}


@pytest.mark.parametrize("fault", ["apart:all:0", "apart:2:0", "slow-start:3:0"])
def test_a_worker_that_cannot_reach_the_blocks_gets_copies(tmp_path, fault):
    assert run(tmp_path, fault=fault).json["workers_lost"] == []


def test_a_code_that_is_built_anew_shares_again(tmp_path, fault_tolerance):
    done = run(tmp_path, "--on-loss", "replan", "--load", "2", fault="kill:0:3 kill:1:3")
    assert done.json["workers_lost"] == [1, 2]
