"""Rules of one's own: the twins that are made of `holds` agree with those that are faster."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coded_dgd import schemes
from coded_dgd.guard import GuardedDecoder
from coded_dgd.schemes.counters import take_all
from coded_dgd.schemes.rules import Rule

NAMES = [*schemes.names(), "lcc-mmc-2"]
VARIANTS = [(name, {}) for name in NAMES] + [
    ("lcc-mmc", {"early_stop": "coset"}),
    ("uc-mmc-pg", {"tolerance": 0.3}),
    ("sgc", {"wait": "fastest:4"}),
]


class Plain(Rule):
    """Another rule, of which nothing is known but when it holds."""

    def __init__(self, rule):
        self.rule = rule

    def holds(self, arrived, lost=()):
        return self.rule.holds(arrived, lost)


@pytest.fixture(params=VARIANTS, ids=lambda each: "-".join(map(str, (each[0], *each[1]))))
def scheme(request):
    name, options = request.param
    scheme = schemes.create(name, 6, **options)
    scheme.fit(12, np.ones)
    return scheme


def test_the_instants_agree(scheme):
    times = np.random.default_rng(0).random((20, *scheme.expected.shape)).cumsum(axis=2)
    times[:, ~scheme.expected] = np.inf
    times[10:, :2] = np.inf
    expected = scheme.rule.completion_time(times)
    np.testing.assert_array_equal(Plain(scheme.rule).completion_time(times), expected)


@pytest.mark.parametrize("lost", [set(), {0, 3}])
def test_the_counters_agree(scheme, lost):
    messages = np.random.default_rng(1).permutation(np.argwhere(scheme.expected)).tolist()
    shape = scheme.expected.shape
    fast, plain = (rule.counter(shape, lost) for rule in (scheme.rule, Plain(scheme.rule)))
    for worker, message in messages:
        enough = plain(worker, message)
        assert fast(worker, message) == enough
        if enough:
            return
    raise AssertionError("all messages do not suffice")


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_batch_of_messages_is_taken_as_one_by_one(name, options, data):
    scheme = schemes.create(name, 6, **options)
    scheme.fit(12, np.ones)
    messages = [tuple(each) for each in np.argwhere(scheme.expected).tolist()]
    order = data.draw(st.permutations(messages))
    ends = data.draw(st.sets(st.integers(1, len(order)))) | {len(order)}
    one, many = (scheme.rule.counter(scheme.expected.shape, set()) for _ in range(2))
    single, together = (GuardedDecoder(scheme, 1e6) for _ in range(2))
    first, suffice, decodes = 0, False, False
    for end in sorted(ends):
        keys, taken = order[first:end], 0
        while not suffice and taken < len(keys):
            suffice, taken = one(*keys[taken]), taken + 1
        if taken:
            assert take_all(many, keys) == (taken, suffice)
        taken = 0
        while not decodes and taken < len(keys):
            decodes, taken = single.arrive(keys[taken]), taken + 1
        assert together.arrive_all(keys) == (taken, decodes)
        assert (together.order, together.extra) == (single.order, single.extra)
        np.testing.assert_array_equal(together.weights, single.weights)
        if decodes:
            break
        first = end


class Documented(Rule):
    """A rule with `holds(arrived, lost)` as the documentation writes it, without a default."""

    def holds(self, arrived, lost):
        return bool(arrived.all()) and not lost


def test_a_rule_needs_no_default_for_lost():
    times = np.array([[[1.0], [3.0]], [[2.0], [np.inf]]])
    np.testing.assert_array_equal(Documented().completion_time(times), [3.0, np.inf])
