"""Sparse rows, Gram matrices, float32, classes on real ranks: the model of virtual time."""

import json

import numpy as np
import pytest
from launching import several, within

pytestmark = pytest.mark.mpi


CASES = [
    (["--scheme", "uc-mmc", "--load", "2"], "sparse", 1e-9),
    (["--scheme", "sgc"], "sparse", 1e-9),  # blocks are rows
    (["--scheme", "gc", "--load", "2", "--dtype", "float32"], "sparse", 1e-4),
    (["--scheme", "lcc-mmc", "--load", "3", "--kernel", "gram"], "gram", 1e-9),
    (["--scheme", "mds-mmc", "--load", "2", "--dtype", "float32"], "products", 1e-4),
    (["--scheme", "uncoded", "--objective", "softmax", "--data", "classes.svm"], "sparse", 1e-9),
]


def write(path, label):
    rng = np.random.default_rng(8)
    lines = []
    for row in range(120):
        columns = np.flatnonzero(rng.random(50) < 0.05) + 1 if row % 9 else []
        entries = [f"{column}:{rng.standard_normal():.6g}" for column in columns]
        lines.append(" ".join([label(rng.standard_normal()), *entries]))
    path.write_text("\n".join(lines) + " 50:1\n")


def trained(done, folder):
    assert done.code == 0, done.err
    return json.loads(done.out), np.load(folder / "beta.npy")


def test_both_transports_find_the_same_model(tmp_path):
    write(tmp_path / "data.svm", "{:.4g}".format)
    write(tmp_path / "classes.svm", lambda number: f"{min(round(abs(number)), 2) + 5}")
    common = [
        "run", "--data", "data.svm", "--iterations", "20", "--delay", "none", "--json", "--quiet",
    ]  # fmt: skip
    lines = [[*common, *options, "--out", options[1]] for options, *_ in CASES]
    for real, (options, kernel, digits) in zip(several(5, lines, tmp_path), CASES, strict=True):
        found, beta = trained(real, tmp_path / options[1])
        plain = [each for each in options if each not in ("--dtype", "float32", "--kernel", "gram")]
        virtual = within(
            *common, *plain, "--kernel", "products", "--transport", "simulated", "--workers", "4",
            "--out", f"virtual-{options[1]}", cwd=tmp_path,
        )  # fmt: skip
        _, expected = trained(virtual, tmp_path / f"virtual-{options[1]}")
        assert found["kernel"] == kernel
        assert np.linalg.norm(beta - expected) < digits * np.linalg.norm(expected), options
        assert not found["refused_messages"]
