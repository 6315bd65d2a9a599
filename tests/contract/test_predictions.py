"""Exact predictions of every scheme against Monte Carlo of its own completion rule."""

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.errors import Infeasible
from coded_dgd.schemes._stochastic import StochasticScheme
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import agreement
from coded_dgd.theory.monte_carlo import simulate

FIXED = [name for name in schemes.names() if not schemes.find(name)[0].dynamic]
VARIANTS = {
    **{name: (name, {}) for name in [*FIXED, "lcc-mmc-2", "lcc-mmc-3"]},
    "lcc-mmc coset": ("lcc-mmc", {"early_stop": "coset"}),
    "lcc-mmc-2 coset": ("lcc-mmc-2", {"early_stop": "coset"}),
    "sgc fastest": ("sgc", {"wait": "fastest:4"}),
    "sgc-send-all fastest": ("sgc-send-all", {"wait": "fastest:4"}),
    "uc-mmc-pg 0.3": ("uc-mmc-pg", {"tolerance": 0.3}),
}
every_scheme = pytest.mark.parametrize("name", VARIANTS)


def build(name, workers, load=None, blocks=None):
    scheme_name, options = VARIANTS[name]
    given = {"load": load, "blocks": blocks}
    takes = schemes.find(scheme_name)[0].sizes
    given = {size: value for size, value in given.items() if size in takes}
    try:
        scheme = schemes.create(scheme_name, workers, **given, **options)
    except Infeasible as refusal:
        pytest.skip(str(refusal))
    norms = np.random.default_rng(0).chisquare(5, 60)
    scheme.fit(60, lambda count: norms[:count])
    return scheme


def check(scheme, law, realisations):
    delay = delays.create(law, 0)
    exact = predict(scheme, delay, realisations=2)
    assert exact.method == "exact"
    found = agreement(exact, simulate(scheme, delay, realisations, seed=0))
    assert abs(found.mean) <= 4, found
    assert abs(found.std) <= 4, found
    assert abs(found.load) <= 4, found
    assert found.p_value > 1e-3, found


def test_another_law_is_found_out():
    scheme = build("lcc-mmc", 10, 5)
    law, other = (delays.create(f"shifted-exponential:mu={mu}", 0) for mu in (10, 10.3))
    found = agreement(predict(scheme, law), simulate(scheme, other, 20_000, seed=0))
    assert found.mean < -4
    assert found.p_value < 1e-3
    assert found.distance > 0.01


@every_scheme
def test_as_in_fig_1_of_the_mmc_paper(name):
    check(build(name, 10, 5), "shifted-exponential:mu=10,alpha=0.01", 100_000)


@every_scheme
@pytest.mark.parametrize("load", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_as_in_fig_2_of_the_mmc_paper(name, load):
    scheme = build(name, 40, load)
    if isinstance(scheme, StochasticScheme) and load > 2:
        pytest.skip("its load is not chosen")
    check(scheme, "shifted-exponential:mu=10,alpha=0.01", 4_000)


@every_scheme
@pytest.mark.parametrize(
    "law",
    [
        "pareto:shape=30",
        "persistent:ranks=2,3,factor=3,mu=10",
        "markov:onset=0.2,recovery=0.5,factor=2,mu=10",
        "additive:overhead=0.1,overhead_mu=20,alpha=0.01,mu=20",
        "pareto:shape=30 + shifted-exponential:mu=inf,alpha=0.1",
    ],
)
def test_under_other_laws(name, law):
    check(build(name, 10, 5), law, 4_000)


OTHER_SIZES = [(10, 7), (7, 10), pytest.param(5, 15, marks=pytest.mark.slow)]


@every_scheme
@pytest.mark.parametrize(("workers", "blocks"), OTHER_SIZES)
def test_with_other_numbers_of_blocks(name, workers, blocks):
    check(build(name, workers, 5, blocks), "shifted-exponential", 4_000)
