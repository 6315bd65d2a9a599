"""Held-out rows are the same on real ranks as in virtual time, and so are their figures."""

import json

import numpy as np
import pytest
from launching import several, within

pytestmark = pytest.mark.mpi


def figures(folder):
    lines = (folder / "iterations.jsonl").read_text().splitlines()
    return [json.loads(line)["validation"] for line in lines]


def test_figures_and_the_best_model_are_those_of_virtual_time(tmp_path):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 60))
    np.savez(tmp_path / "d.npz", X=X, y=X[:, :5].sum(axis=1) + 2 * rng.standard_normal(60))
    common = [
        *("run", "--scheme", "gc", "--load", "2", "--delay", "none", "--data", "d.npz", "--quiet"),
        *("--validation", "0.25", "--patience", "4", "--step-size", "0.001"),
    ]
    (real,) = several(5, [[*common, "--out", "real"]], tmp_path)
    assert real.code == 0, real.err
    virtual = within(
        *common, "--transport", "simulated", "--workers", "4", "--out", "virtual", cwd=tmp_path
    )
    assert virtual.code == 0, virtual.err
    mine, other = figures(tmp_path / "real"), figures(tmp_path / "virtual")
    assert len(mine) == len(other) < 100
    for one, another in zip(mine, other, strict=True):
        assert one == pytest.approx(another, rel=1e-9)
    np.testing.assert_allclose(
        np.load(tmp_path / "real" / "beta.npy"),
        np.load(tmp_path / "virtual" / "beta.npy"),
        rtol=1e-9,
    )
