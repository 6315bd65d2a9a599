"""Faults at random, on real ranks: the short form of ``benchmarks/chaos.py``."""

import pytest
from experiments import EXACT, KINDS, draw, perform

pytestmark = [pytest.mark.mpi, pytest.mark.slow, pytest.mark.usefixtures("fault_tolerance")]


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_run_with_faults(number):
    experiment = draw(number, EXACT[number % len(EXACT)], KINDS[number])
    verdict = perform(experiment, resume=number % 5 == 0)
    assert not verdict.complaints, verdict
