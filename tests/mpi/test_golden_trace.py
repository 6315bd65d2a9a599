"""One golden trace: both transports take the same decisions and find the same beta."""

import itertools
import json
import re

import numpy as np
import pytest
from launching import alone, mpirun

from coded_dgd import registry, schemes
from coded_dgd.schemes.base import Scheme

pytestmark = pytest.mark.mpi

WORKERS, TASKS, ITERATIONS = 4, 3, 3


def write_trace(path, gap):
    """Finish times at least `gap` apart, in a scrambled order that differs by iteration."""
    rng = np.random.default_rng(20)
    times = np.empty((ITERATIONS, WORKERS, TASKS))
    for iteration in range(ITERATIONS):
        slots = gap * (1 + rng.permutation(WORKERS * TASKS))
        times[iteration] = np.sort(slots.reshape(WORKERS, TASKS), axis=1)
    np.save(path, times)


def decisions(folder):
    lines = [json.loads(line) for line in (folder / "iterations.jsonl").read_text().splitlines()]
    keys = ("messages_used", "extra_messages", "error_amplification")
    return [{key: line[key] for key in keys} for line in lines]


def completed_order(folder):
    """Whose messages had arrived when each iteration was decodable, in order, runs as one."""
    arrival = np.load(folder / "arrivals.npz")["arrival"]
    lines = [json.loads(line) for line in (folder / "iterations.jsonl").read_text().splitlines()]
    orders = []
    for times, line in zip(arrival, lines, strict=True):
        used = np.argsort(times, axis=None)[: line["messages_used"]]
        workers = used // times.shape[1]
        orders.append([worker for worker, _ in itertools.groupby(workers.tolist())])
    return orders


def lateness(real, virtual):
    """The longest that a message came after its time."""
    times, due = (np.load(folder / "arrivals.npz")["arrival"] for folder in (real, virtual))
    both = np.isfinite(times) & np.isfinite(due)
    return (times - due)[both].max()


@pytest.mark.parametrize("scheme", [*schemes.names(), "lcc-mmc-2"])
def test_both_transports_follow_it_alike(tmp_path, scheme):
    options = [
        "--scheme", scheme, "--delay", "trace:trace.npy", "--iterations", str(ITERATIONS),
        "--quiet",
    ]  # fmt: skip
    if "load" in registry.find(schemes, re.sub(r"-\d+$", "", scheme), Scheme, "scheme").sizes:
        options += ["--load", "3"]
    for gap in (
        0.04,
        0.08,
        0.16,
        0.32,
    ):  # a machine that others use may be too late to show anything
        write_trace(tmp_path / "trace.npy", gap)
        real, virtual = tmp_path / f"real-{gap}", tmp_path / f"virtual-{gap}"
        done = mpirun(WORKERS + 1, *options, "--out", str(real), cwd=tmp_path)
        assert done.code == 0, done.err
        done = alone(
            *options, "--transport", "simulated", "--workers", str(WORKERS), "--out", str(virtual),
            cwd=tmp_path,
        )  # fmt: skip
        assert done.code == 0, done.err
        if lateness(real, virtual) < gap / 2:
            break
    assert decisions(real) == decisions(virtual)
    assert completed_order(real) == completed_order(virtual)
    np.testing.assert_array_equal(np.load(real / "beta.npy"), np.load(virtual / "beta.npy"))
