"""What all tests share: the two tiers, and the same examples of hypothesis every time.

Tests that are marked ``slow`` are the second tier, which runs with ``--all``. ``--sets N`` runs
each test with at most N of its parameter sets. hypothesis may take as long as it needs, on machines
of any speed.
"""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

LEFT_OUT = pytest.StashKey()


@pytest.fixture
def one_blas_thread():
    """Limit BLAS to one thread, since threads that wait for work count as time of the process."""
    pools = pytest.importorskip("threadpoolctl", reason="scikit-learn, with it, is not installed")
    with pools.threadpool_limits(1):
        yield


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the slow tests, too: everything")
    parser.addoption(
        "--sets", type=int, metavar="N", help="run each test with at most N of its parameter sets"
    )


def evenly(number, sets):
    """Indices of at most `sets` of a number of things: the first, the last, and some between."""
    if number <= sets:
        return range(number)
    return {round(each * (number - 1) / max(sets - 1, 1)) for each in range(sets)}


@pytest.hookimpl(trylast=True)  # after -k and -m have chosen
def pytest_collection_modifyitems(config, items):
    left_out = (
        [] if config.option.all else [each for each in items if each.get_closest_marker("slow")]
    )
    config.stash[LEFT_OUT] = len(left_out)
    if config.option.sets:
        tests = {}
        for item in set(items).difference(left_out):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
        for sets in tests.values():
            sets.sort(key=lambda item: item.nodeid)
            kept = evenly(len(sets), config.option.sets)
            left_out += [item for index, item in enumerate(sets) if index not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter, config):
    if number := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{number} slow tests are left for --all")
