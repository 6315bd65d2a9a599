"""One golden trace: both transports take the same decisions and find the same beta."""

import itertools
import json
import re

import numpy as np
import pytest
from launching import several, within

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


SCHEMES = [*schemes.names(), "lcc-mmc-2"]


def options(scheme, gap):
    """A command line for the real ranks, and one for the simulated ones."""
    common = [
        "run", "--scheme", scheme, "--delay", f"trace:trace-{gap}.npy", "--iterations",
        str(ITERATIONS), "--quiet",
    ]  # fmt: skip
    if schemes.find(scheme)[0].dynamic:
        common += ["--blocks", str(WORKERS), "--copies", str(TASKS)]
    elif "load" in registry.find(schemes, re.sub(r"-\d+$", "", scheme), Scheme, "scheme").sizes:
        common += ["--load", "3"]
    real, virtual = (["--out", f"{kind}-{gap}-{scheme}"] for kind in ("real", "virtual"))
    simulated = ["--transport", "simulated", "--workers", str(WORKERS)]
    return [*common, *real], [*common, *simulated, *virtual]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of a real and a virtual run of each scheme, the real ones all from one job.

    On a machine that others use too, messages may be too late to show anything: then the schemes
    that this concerns run once more, with longer gaps in the trace.
    """
    folder, found, left = tmp_path_factory.mktemp("golden"), {}, SCHEMES
    for gap in (0.02, 0.04, 0.08, 0.16, 0.32):
        write_trace(folder / f"trace-{gap}.npy", gap)
        lines = [options(scheme, gap) for scheme in left]
        done = several(WORKERS + 1, [real for real, _ in lines], folder)
        done += [within(*virtual, cwd=folder) for _, virtual in lines]
        assert [each.err for each in done if each.code] == []
        for scheme in left:
            found[scheme] = [folder / f"{kind}-{gap}-{scheme}" for kind in ("real", "virtual")]
        left = [scheme for scheme in left if lateness(*found[scheme]) >= gap / 2]
        if not left:
            break
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_both_transports_follow_it_alike(folders, scheme):
    real, virtual = folders[scheme]
    assert decisions(real) == decisions(virtual)
    assert completed_order(real) == completed_order(virtual)
    np.testing.assert_array_equal(np.load(real / "beta.npy"), np.load(virtual / "beta.npy"))
