"""Whatever a user hands in: a result, or one line and a documented exit code."""

import os

import pytest
from fuzzing import TARGETS, confined
from hypothesis import HealthCheck, given, settings

CASES = os.environ.get("CODED_DGD_FUZZ_CASES", "")


@pytest.mark.parametrize("name", TARGETS)
def test_no_traceback_reaches_a_user(name, pytestconfig):
    target = TARGETS[name]()
    cases = int(CASES or (100 if pytestconfig.option.all else 30))

    @settings(max_examples=cases, suppress_health_check=list(HealthCheck))
    @given(target.cases)
    def holds(case):
        with confined():
            target.check(case)

    holds()
