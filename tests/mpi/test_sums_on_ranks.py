"""Workers draw the same start-up overheads as rank 0 and as a run in virtual time."""

import json

import numpy as np
import pytest
from launching import several

from coded_dgd import delays

pytestmark = pytest.mark.mpi

WORKERS, ITERATIONS = 4, 6
DELAYS = [
    "additive:overhead=0.1,overhead_mu=20,alpha=0.1,spread=0.3,memory=0.5,overhead_memory=0.5",
    "none + shifted-exponential:mu=20,alpha=0.1",
    "markov:onset=0.3,factor=5,alpha=0.02,per=share + pareto:shape=3,scale=0.1",
]


def test_iterations_take_what_is_drawn(tmp_path):
    lines = [
        ["run", "--scheme", "uncoded", "--iterations", str(ITERATIONS), "--quiet", "--delay", delay,
         "--out", str(number)]
        for number, delay in enumerate(DELAYS)
    ]  # fmt: skip
    done = several(WORKERS + 1, lines, tmp_path)
    assert [each.err for each in done if each.code] == []
    for number, delay in enumerate(DELAYS):
        drawn = delays.create(delay, 0).trace(ITERATIONS, WORKERS, np.ones(1))[..., 0].max(axis=1)
        np.testing.assert_allclose(np.load(tmp_path / str(number) / "ideal.npy"), drawn, rtol=1e-12)
        records = (tmp_path / str(number) / "iterations.jsonl").read_text().splitlines()
        late = np.array([json.loads(line)["completion_time"] for line in records]) - drawn
        assert (late > -1e-3).all(), delay
        assert np.median(late) < 0.05, delay
