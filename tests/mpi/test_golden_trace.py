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

WORKERS, TASKS, ITERATIONS, GAP = 4, 3, 3, 0.04


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Finish times that are at least GAP apart, in a scrambled order that differs by iteration."""
    rng = np.random.default_rng(20)
    times = np.empty((ITERATIONS, WORKERS, TASKS))
    for iteration in range(ITERATIONS):
        slots = GAP * (1 + rng.permutation(WORKERS * TASKS))
        times[iteration] = np.sort(slots.reshape(WORKERS, TASKS), axis=1)
    path = tmp_path_factory.mktemp("golden") / "trace.npy"
    np.save(path, times)
    return path


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


@pytest.mark.parametrize("scheme", [*schemes.names(), "lcc-mmc-2"])
def test_both_transports_follow_it_alike(tmp_path, trace, scheme):
    options = [
        "--scheme", scheme, "--delay", f"trace:{trace}", "--iterations", str(ITERATIONS), "--quiet",
    ]  # fmt: skip
    if "load" in registry.find(schemes, re.sub(r"-\d+$", "", scheme), Scheme, "scheme").sizes:
        options += ["--load", "3"]
    real = mpirun(WORKERS + 1, *options, "--out", "real", cwd=tmp_path)
    assert real.code == 0, real.err
    virtual = alone(
        *options, "--transport", "simulated", "--workers", str(WORKERS), "--out", "virtual",
        cwd=tmp_path,
    )  # fmt: skip
    assert virtual.code == 0, virtual.err
    real_folder, virtual_folder = tmp_path / "real", tmp_path / "virtual"
    assert decisions(real_folder) == decisions(virtual_folder)
    assert completed_order(real_folder) == completed_order(virtual_folder)
    np.testing.assert_array_equal(
        np.load(real_folder / "beta.npy"), np.load(virtual_folder / "beta.npy")
    )
