"""Blocks of any number are the same work on real ranks, if the delay counts shares."""

import json

import numpy as np
import pytest
from launching import several, within

pytestmark = pytest.mark.mpi

WORKERS, ITERATIONS = 4, 5


def completion(folder):
    lines = (folder / "iterations.jsonl").read_text().splitlines()
    return np.array([json.loads(line)["completion_time"] for line in lines])


def test_more_blocks_take_the_same_time_and_are_replayed_by_others(tmp_path):
    durations = np.random.default_rng(0).uniform(0.1, 0.3, (ITERATIONS, WORKERS))
    np.save(tmp_path / "t.npy", durations)
    common = ["run", "--scheme", "uncoded", "--iterations", str(ITERATIONS), "--quiet"]
    sizes = (WORKERS, 4 * WORKERS)
    lines = [
        [*common, "--delay", "trace:t.npy,per=share", "--blocks", str(N), "--out", f"real-{N}"]
        for N in sizes
    ]
    done = several(WORKERS + 1, lines, tmp_path)
    assert [each.err for each in done if each.code] == []
    for N in sizes:
        real, other = tmp_path / f"real-{N}", next(each for each in sizes if each != N)
        np.testing.assert_allclose(np.load(real / "ideal.npy"), durations.max(axis=1), rtol=1e-12)
        late = completion(real) - durations.max(axis=1)
        assert (late > -1e-3).all()
        assert np.median(late) < 0.05  # it would be 0.5 s if every block were a task
        again = within(
            *common, "--transport", "simulated", "--workers", str(WORKERS), "--blocks", str(other),
            "--delay", f"trace:real-{N}/arrivals.npz,per=share", "--out", f"again-{N}",
            cwd=tmp_path,
        )  # fmt: skip
        assert again.code == 0, again.err
        np.testing.assert_allclose(
            completion(tmp_path / f"again-{N}"), completion(real), rtol=1e-12
        )
