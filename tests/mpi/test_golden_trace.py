"""One golden trace: both transports take the same decisions and find the same beta."""

import itertools
import json
import re
from typing import ClassVar

import numpy as np
import pytest
from launching import several, within

from coded_dgd import registry, schemes
from coded_dgd.scheduling import virtual
from coded_dgd.scheduling.scheduler import Scheduler
from coded_dgd.scheduling.virtual import VirtualWorkers
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


SCHEMES = [
    *(name for name in schemes.names() if not schemes.find(name)[0].dynamic),
    "lcc-mmc-2",
]


def options(scheme, gap):
    """A command line for the real ranks, and one for the simulated ones."""
    common = [
        "run", "--scheme", scheme, "--delay", f"trace:trace-{gap}.npy", "--iterations",
        str(ITERATIONS), "--quiet",
    ]  # fmt: skip
    if "load" in registry.find(schemes, re.sub(r"-\d+$", "", scheme), Scheme, "scheme").sizes:
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


# A dynamic scheme decides by the times of results

DYNAMIC, BLOCKS, COPIES = "uc-dynamic", 8, 3
GAP = 0.02
"""Least time in seconds between two results in an iteration."""
LATE = 0.003
"""Seconds by which every result and word may be late without changing any decision."""


class Noting(Scheduler):
    """Notes when results arrive."""

    instants: ClassVar[list[float]] = []

    def finish(self, worker, number, now):
        self.instants.append(now)
        super().finish(worker, number, now)


def dynamic_decisions(times, rng=None):
    """The results of each iteration in order, and its number of words; a bit late, given `rng`."""
    scheme = schemes.create(DYNAMIC, WORKERS, BLOCKS, copies=str(COPIES))
    workers, found = VirtualWorkers(scheme, rng.uniform(0, LATE) if rng else 0.0), []
    for finish in times:
        seconds = np.diff(finish, axis=1, prepend=0)
        late = rng.uniform(0, LATE, seconds.shape) if rng else 0.0
        found.append((workers.run(np.cumsum(seconds + late, axis=1)).order, workers.words))
    return found


@pytest.fixture(scope="module")
def calm_trace():
    """Finish times whose results are `GAP` apart, and whose decisions do not hang by a hair."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtual, "Scheduler", Noting)
        for seed in range(2000):
            rng = np.random.default_rng(seed)
            seconds = np.round(rng.uniform(0.1, 1.0, (ITERATIONS, WORKERS, BLOCKS)), 3)
            times = np.cumsum(seconds[..., : COPIES * BLOCKS // WORKERS], axis=2)
            Noting.instants.clear()
            found = dynamic_decisions(times)
            if np.abs(np.diff(Noting.instants)).min() >= GAP and all(
                dynamic_decisions(times, np.random.default_rng(each)) == found for each in range(60)
            ):
                return times, found
    pytest.fail("no trace is calm enough")


def test_both_transports_take_the_same_dynamic_decisions(calm_trace, tmp_path):
    times, expected = calm_trace
    np.save(tmp_path / "calm.npy", times)
    line = [
        "run", "--scheme", DYNAMIC, "--blocks", str(BLOCKS), "--copies", str(COPIES), "--delay",
        "trace:calm.npy,per=task", "--iterations", str(ITERATIONS), "--quiet",
    ]  # fmt: skip
    virtual_run = within(
        *line, "--transport", "simulated", "--workers", str(WORKERS), "--out", "virtual",
        cwd=tmp_path,
    )  # fmt: skip
    assert virtual_run.code == 0, virtual_run.err
    due = np.load(tmp_path / "virtual" / "arrivals.npz")["arrival"]
    for attempt in range(5):
        (real,) = several(WORKERS + 1, [[*line, "--out", f"real-{attempt}"]], tmp_path)
        assert real.code == 0, real.err
        arrival = np.load(tmp_path / f"real-{attempt}" / "arrivals.npz")["arrival"]
        if np.nanmax(np.abs(arrival - due)) < LATE:
            break
    else:
        pytest.skip(f"results were more than {LATE} s late in every run: the machine is busy")
    for folder in (tmp_path / "virtual", tmp_path / f"real-{attempt}"):
        arrival = np.load(folder / "arrivals.npz")["arrival"]
        lines = (folder / "iterations.jsonl").read_text().splitlines()
        found = []
        for instants, record in zip(arrival, map(json.loads, lines), strict=True):
            first = np.argsort(instants, axis=None)[: record["messages_used"]]
            order = [divmod(each, instants.shape[1]) for each in first.tolist()]
            found.append((order, record["words"]))
        assert found == expected, folder.name
    betas = (np.load(tmp_path / each / "beta.npy") for each in (f"real-{attempt}", "virtual"))
    np.testing.assert_allclose(*betas, rtol=1e-12)
