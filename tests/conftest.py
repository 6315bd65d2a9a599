"""What all tests share: the two tiers, and the same examples of hypothesis every time.

Tests that are marked ``slow`` are the second tier, which runs with ``--all``. hypothesis may take
as long as it needs, on machines of any speed.
"""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

LEFT_OUT = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the slow tests, too: everything")


@pytest.hookimpl(trylast=True)  # after -k and -m have chosen
def pytest_collection_modifyitems(config, items):
    slow = [] if config.option.all else [item for item in items if item.get_closest_marker("slow")]
    config.stash[LEFT_OUT] = len(slow)
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_terminal_summary(terminalreporter, config):
    if number := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{number} slow tests are left for --all")
