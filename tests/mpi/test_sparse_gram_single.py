"""Sparse rows, Gram matrices and float32 on real ranks: the model that virtual time finds."""

import json

import numpy as np
import pytest
from launching import alone, mpirun

pytestmark = pytest.mark.mpi


@pytest.fixture
def sparse_file(tmp_path):
    rng = np.random.default_rng(8)
    lines = []
    for row in range(120):
        columns = np.flatnonzero(rng.random(50) < 0.05) + 1 if row % 9 else []
        entries = [f"{column}:{rng.standard_normal():.6g}" for column in columns]
        lines.append(" ".join([f"{rng.standard_normal():.4g}", *entries]))
    (tmp_path / "data.svm").write_text("\n".join(lines) + " 50:1\n")
    return "data.svm"


def trained(done, folder):
    assert done.code == 0, done.err
    return json.loads(done.out), np.load(folder / "beta.npy")


@pytest.mark.parametrize(
    ("options", "kernel", "digits"),
    [
        (["--scheme", "uc-mmc", "--load", "2"], "sparse", 1e-9),
        (["--scheme", "sgc"], "sparse", 1e-9),  # blocks are rows
        (["--scheme", "gc", "--load", "2", "--dtype", "float32"], "sparse", 1e-4),
        (["--scheme", "lcc-mmc", "--load", "3", "--kernel", "gram"], "gram", 1e-9),
        (["--scheme", "mds-mmc", "--load", "2", "--dtype", "float32"], "products", 1e-4),
    ],
    ids=lambda value: "-".join(value[1::2]) if isinstance(value, list) else "",
)
def test_both_transports_find_the_same_model(tmp_path, sparse_file, options, kernel, digits):
    common = [
        "--data", sparse_file, "--iterations", "20", "--delay", "none", "--json", "--quiet",
    ]  # fmt: skip
    real, virtual = tmp_path / "real", tmp_path / "virtual"
    found, beta = trained(mpirun(5, *common, *options, "--out", str(real), cwd=tmp_path), real)
    plain = [each for each in options if each not in ("--dtype", "float32", "--kernel", "gram")]
    _, expected = trained(
        alone(
            *common, *plain, "--kernel", "products", "--transport", "simulated", "--workers", "4",
            "--out", str(virtual), cwd=tmp_path,
        ),
        virtual,
    )  # fmt: skip
    assert found["kernel"] == kernel
    assert np.linalg.norm(beta - expected) < digits * np.linalg.norm(expected)
    assert not found["refused_messages"]
