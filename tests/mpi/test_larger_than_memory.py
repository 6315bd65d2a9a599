"""Data of four times the memory that a rank may have are encoded and trained on."""

import numpy as np
import pytest
from launching import mpirun

from coded_dgd.problems.sources import open_source

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

LIMIT = 256 << 20
ROWS, FEATURES, AT_ONCE = 1_330_000, 100, 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data.npy, which is removed at the end."""
    folder = tmp_path_factory.mktemp("larger")
    path = folder / "data.npy"
    rng = np.random.default_rng(0)
    some = rng.standard_normal((AT_ONCE, FEATURES + 1))
    data = np.lib.format.open_memmap(path, mode="w+", shape=(ROWS, FEATURES + 1))
    for start in range(0, ROWS, AT_ONCE):
        data[start : start + AT_ONCE] = some[:, rng.permutation(FEATURES + 1)]
    del data
    assert path.stat().st_size >= 4 * LIMIT
    yield folder
    path.unlink()


def descent(path, step, iterations):
    """Plain gradient descent."""
    beta = np.zeros(FEATURES)
    for _ in range(iterations):
        gradient = sum((X @ beta - y) @ X for X, y in open_source(str(path), 0).windows(AT_ONCE))
        beta = beta - step * gradient
    return beta


@pytest.mark.parametrize("encode", ["master", "local"])
@pytest.mark.parametrize(
    ("ranks", "options"), [(9, ["uncoded"]), (17, ["lcc-mmc", "--blocks", "8", "--load", "1"])]
)
def test_it_is_trained_on(folder, ranks, options, encode):
    out = f"{options[0]}-{encode}"
    done = mpirun(
        ranks, "--scheme", *options, "--data", "data.npy", "--encode", encode, "--delay", "none",
        "--iterations", "2", "--step-size", "1e-7", "--out", out, "--quiet", cwd=folder,
        script="limited.py", LIMIT=str(LIMIT), timeout=300,
    )  # fmt: skip
    assert done.code == 0, done.err
    serial = descent(folder / "data.npy", 1e-7, 2)
    np.testing.assert_allclose(np.load(folder / out / "beta.npy"), serial, rtol=1e-6, atol=1e-9)


def test_the_limit_holds(folder):
    done = mpirun(
        3, "--scheme", "uncoded", "--data", "data.npy", "--delay", "none", "--quiet",
        "--kernel", "products", "--step-size", "1e-7", cwd=folder, script="limited.py",
        LIMIT=str(LIMIT), timeout=300,
    )  # fmt: skip
    assert done.code != 0
    assert "Memory" in done.err
