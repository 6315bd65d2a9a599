"""The figures of the MMC paper: closed forms with simulated points, and claims that can fail."""

from math import comb

import numpy as np
import pytest

from coded_dgd import reproduce
from coded_dgd.reproduce import _files, _mmc_fig2_claims, mmc_fig1
from coded_dgd.reproduce._mmc import (
    GC,
    LCC,
    LCC_MMC,
    LCC_MMC_2,
    LIMIT,
    MDS_MMC,
    UC_MMC,
    UC_MMC_PG,
)
from coded_dgd.theory.agreement import Agreement

HARMONIC = np.append(0, np.cumsum(1 / np.arange(1, 41)))


def expected(load, threshold, workers=40):
    """E[T] of eq. (18): the mean of an order statistic of exponential variables."""
    return load * (0.01 + (HARMONIC[workers] - HARMONIC[workers - threshold]) / 10)


def small(name, seed=0, **sizes):
    """A figure with these sizes."""
    figure = reproduce.create(name, seed)
    for size, value in sizes.items():
        setattr(figure, size, value)
    return figure


@pytest.fixture(scope="module")
def fig1():
    (panel,) = reproduce.compute(small("mmc-fig1", realisations=2000)).panels
    return {series.label: series for series in panel.series}


@pytest.fixture(scope="module")
def fig2():
    """Label -> series, of panels (a) and (b)."""
    panels = reproduce.compute(small("mmc-fig2", loads=(1, 2, 3, 7), realisations=2000)).panels
    return [{series.label: series for series in panel.series} for panel in panels]


# What is plotted


def test_the_papers_sizes_are_the_default():
    both = {"mu": 10, "alpha": 0.01, "realisations": 100_000}
    first, second = (reproduce.create(name).parameters for name in ("mmc-fig1", "mmc-fig2"))
    assert first == both | {"workers": 10, "blocks": 10, "load": 5}
    loads = second.pop("simulated loads")
    assert second == both | {"workers": 40, "blocks": 40, "loads": list(range(1, 41))}
    assert {1, 2, 3, 10, 20, 40} <= {*loads} <= {*range(1, 41)}
    assert reproduce.create("mmc-fig2", quick=True).parameters["loads"] == [1, 2, 4, 10]


def check_points_on_lines(series):
    """Every line but that of the limit has simulated points, and they lie on it."""
    lines = {label: each for label, each in series.items() if each.kind == "line"}
    marks = {each.like: each for each in series.values() if each.kind == "points"}
    assert set(lines) - {LIMIT} == set(marks)
    for label, each in marks.items():
        on_line = np.interp(each.x, lines[label].x, lines[label].y)
        error = np.maximum(each.standard_error, 1 / 2000)
        assert (np.abs(each.y - on_line) < 5 * error).all(), label


def test_figure_1_has_distribution_functions_with_points_on_them(fig1):
    assert [label for label, each in fig1.items() if each.kind == "line"] == [
        GC,
        LCC,
        LCC_MMC,
        "UC-MMC (closed form is ours)",
        MDS_MMC,
        LIMIT,
    ]
    for each in fig1.values():
        assert (np.diff(each.y) >= -1e-12).all()
        assert each.y.min() >= 0 and each.y.max() <= 1
        if each.kind == "line":
            assert each.y[0] < 1e-6 and each.y[-1] > 1 - 1e-4
    check_points_on_lines(fig1)


@pytest.mark.parametrize(("label", "threshold"), [(LCC, 3), (GC, 6)])
def test_figure_1_has_eq_18(fig1, label, threshold):
    late = np.exp(-10 * np.maximum(fig1[label].x / 5 - 0.01, 0))
    done = sum(comb(10, k) * (1 - late) ** k * late ** (10 - k) for k in range(threshold, 11))
    np.testing.assert_allclose(fig1[label].y, done, atol=1e-12)


def test_figure_2_has_points_on_all_lines(fig2):
    for series in fig2:
        check_points_on_lines(series)


def test_figure_2_has_the_schemes_where_they_exist(fig2):
    times, messages = fig2
    assert set(times) - set(messages) == {LIMIT}
    for label in (GC, UC_MMC, UC_MMC_PG, MDS_MMC):
        assert times[label].x.tolist() == messages[label].x.tolist() == [1, 2, 3, 7]
    for label in (LCC, LCC_MMC, LCC_MMC_2):
        assert times[label].x.tolist() == messages[label].x.tolist() == [2, 3, 7]
    assert times[f"{LCC}, Monte Carlo"].x.tolist() == [2, 3]


def test_figure_2_agrees_with_what_is_known(fig2):
    times, messages = fig2
    loads = np.array([1, 2, 3, 7])
    gc, lcc = 41 - loads, 2 * -(-40 // loads) - 1
    np.testing.assert_array_equal(messages[GC].y, gc)
    np.testing.assert_array_equal(messages[LCC].y, lcc[1:])
    np.testing.assert_array_equal(messages[LCC_MMC].y, 79)
    np.testing.assert_array_equal(messages[LCC_MMC_2].y, 39)
    np.testing.assert_array_equal(messages[MDS_MMC].y, 40)
    np.testing.assert_allclose(times[GC].y, expected(loads, gc), rtol=1e-8)
    np.testing.assert_allclose(times[LCC].y, expected(loads, lcc)[1:], rtol=1e-8)
    assert times[UC_MMC].y[0] == pytest.approx(expected(1, 40), rel=1e-8)
    assert times[UC_MMC_PG].y[0] == pytest.approx(expected(1, 38), rel=1e-8)
    np.testing.assert_allclose(times[MDS_MMC].y, times[LIMIT].y, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mmc-fig1", {"realisations": 200}),
        ("mmc-fig2", {"realisations": 200, "loads": (2, 3)}),
    ],
)
def test_the_numbers_are_the_same_for_any_number_of_processes(name, sizes):
    alone, together, other = (small(name, seed, **sizes) for seed in (5, 5, 6))
    described = [
        _files.describe(name, figure, reproduce.compute(figure, jobs))
        for figure, jobs in ((alone, 1), (together, 2), (other, 1))
    ]
    assert described[0] == described[1]
    assert described[0]["panels"] != described[2]["panels"]


# Claims of Figure 1: from numbers as the paper has them all hold, and each can fail


LATE = np.linspace(1, 0, len(mmc_fig1.INSTANTS))
MEANS = {GC: 4.0, LCC: 3.0, LCC_MMC: 2.0, UC_MMC: 1.8, MDS_MMC: 1.0}


def found(label, **changed):
    """What is found of a scheme, with all times in proportion to its mean."""
    mean = changed.get("mean", MEANS[label])
    values = {
        "mean": mean,
        "late": LATE ** (1 / mean),
        "quantiles": np.empty(0),
        "by": np.empty(0),
        "agreement": Agreement(0.3, 0.3, 0.3, 0.002, 0.5),
        "elsewhere": [mean] * len(mmc_fig1.PRODUCTS),
    }
    return mmc_fig1.FoundMeans(**values | changed)


def fig1_claims(changed=None, limit=1.0):
    changed = changed or {}
    every = {label: found(label, **changed.get(label, {})) for label in MEANS}
    return [claim.holds for claim in mmc_fig1.claims(every, limit)]


CLAIMS_1 = [
    "means match",
    "distributions match",
    "our means match",
    "our distributions match",
    "outperforms",
    "wide range",
    "reduces",
    "reaches the limit",
]


def test_all_claims_of_figure_1_hold_for_numbers_as_the_paper_has_them():
    assert fig1_claims() == [True] * len(CLAIMS_1)


OFF = {"agreement": Agreement(-4.1, 0, 0, 0.002, 0.5)}
UNLIKELY = {"agreement": Agreement(0, 0, 0, 0.02, 1e-4)}
CONTRADICTIONS_1 = [
    *(("means match", {label: OFF}) for label in (GC, LCC, LCC_MMC)),
    *(("distributions match", {label: UNLIKELY}) for label in (GC, LCC, LCC_MMC)),
    *(("our means match", {label: OFF}) for label in (UC_MMC, MDS_MMC)),
    *(("our distributions match", {label: UNLIKELY}) for label in (UC_MMC, MDS_MMC)),
    ("outperforms", {GC: {"late": LATE}}),
    ("outperforms", {LCC: {"late": np.minimum(found(LCC).late, 1 - LATE)}}),  # at small t only
    ("wide range", {GC: {"elsewhere": [4, 4, 4, 4, 1.9]}}),
    ("wide range", {LCC_MMC: {"elsewhere": [3.5, 2, 2, 2, 2]}}),
    ("reduces", {LCC_MMC: {"mean": 2.5}}),
    ("reduces", {GC: {"mean": 2.5}}),
    ("reaches the limit", {MDS_MMC: {"mean": 1.001}}),
    ("reaches the limit", {UC_MMC: {"mean": 0.9}}),
]


@pytest.mark.parametrize(("claim", "changed"), CONTRADICTIONS_1)
def test_a_claim_of_figure_1_fails_where_the_numbers_contradict_it(claim, changed):
    assert fig1_claims(changed)[CLAIMS_1.index(claim)] is False


# Claims of Figure 2


R = np.arange(2, 41)


def curve(at_2, beyond):
    """Values at r = 2..40, given the first and the others."""
    return np.append(at_2, np.broadcast_to(beyond, R[1:].shape))


TIMES = {
    GC: curve(11, 11),
    LCC: curve(10, 10),
    LCC_MMC: curve(4.6, 4.3),
    UC_MMC: curve(4.478, 4.5),
    LCC_MMC_2: curve(4.8, 4.7),
    UC_MMC_PG: curve(3, 3.2),
    MDS_MMC: curve(2.9, 2.9),
}
MESSAGES = {
    GC: 41 - R / 100,
    LCC: 39 - R / 100,
    LCC_MMC: curve(79, 79),
    UC_MMC: 80 + R,
    LCC_MMC_2: curve(39.5, 39.5),
    UC_MMC_PG: 0.7 * (80 + R),
    MDS_MMC: curve(40, 40),
}
NOT_OFF = dict.fromkeys(TIMES, 1.5)


def by_load(curves):
    return {
        label: dict(zip([1, *R.tolist()], [np.nan, *curve.tolist()], strict=True))
        for label, curve in curves.items()
    }


def fig2_claims(times=None, messages=None, off=None, off_messages=None, limit=2.9, missing=2):
    every = _mmc_fig2_claims.claims(
        by_load(TIMES | (times or {})),
        by_load(MESSAGES | (messages or {})),
        NOT_OFF | (off or {}),
        NOT_OFF | (off_messages or {}),
        dict.fromkeys(R.tolist(), limit),
        missing,
    )
    return [claim.holds for claim in every]


CLAIMS_2 = [
    "times verified",
    "messages verified",
    "reduces",
    "reasonable",
    "lcc with mmc",
    "uncoded outperforms lcc",
    "uncoded is close",
    "uncoded outperforms lcc-mmc",
    "uncoded is better at low r",
    "lcc sends least",
    "uncoded sends most",
    "lcc-mmc sends constantly",
    "lcc sends less",
    "uncoded sends more",
    "closest",
    "half",
    "small increase",
    "balanced",
    "lcc-mmc is best",
    "lcc is attractive",
    "uncoded is best at small r",
    "70 %",
    "33 %",
    "two are missing",
    "partial sends less",
    "gains",
    "reaches the limit",
]


def test_all_claims_of_figure_2_hold_for_numbers_as_the_paper_has_them():
    assert dict(zip(CLAIMS_2, fig2_claims(), strict=True)) == dict.fromkeys(CLAIMS_2, True)


def at(r, value, curve):
    """The curve with another value at r."""
    return np.where(r == R, value, curve)


CONTRADICTIONS_2 = [
    ("times verified", {"off": {UC_MMC: 4.2}}),
    ("messages verified", {"off_messages": {UC_MMC: 4.2}}),
    ("reduces", {"times": {GC: at(30, 5.5, TIMES[GC])}}),
    ("reduces", {"times": {LCC: at(30, 5.5, TIMES[LCC])}}),
    ("reasonable", {"messages": {LCC: MESSAGES[LCC] / 10}}),
    ("lcc with mmc", {"times": {LCC_MMC: TIMES[LCC] + 1}}),
    ("lcc with mmc", {"messages": {LCC_MMC: at(9, 38, MESSAGES[LCC_MMC])}}),
    ("uncoded outperforms lcc", {"times": {UC_MMC: at(39, 10.1, TIMES[UC_MMC])}}),
    ("uncoded is close", {"times": {UC_MMC: at(7, 4.8, TIMES[UC_MMC])}}),
    ("uncoded is close", {"times": {UC_MMC: at(7, 3.8, TIMES[UC_MMC])}}),
    ("uncoded outperforms lcc-mmc", {"times": {LCC_MMC: at(2, 4.4, TIMES[LCC_MMC])}}),
    ("uncoded is better at low r", {"times": {LCC: at(40, 12, TIMES[LCC])}}),
    ("uncoded is better at low r", {"times": {LCC: at(40, 4, TIMES[LCC])}}),
    ("lcc sends least", {"messages": {LCC: at(3, 39.6, MESSAGES[LCC])}}),
    ("uncoded sends most", {"messages": {LCC_MMC: at(2, 83, MESSAGES[LCC_MMC])}}),
    ("lcc-mmc sends constantly", {"messages": {LCC_MMC: at(20, 78, MESSAGES[LCC_MMC])}}),
    ("lcc sends less", {"messages": {LCC: at(20, 39, MESSAGES[LCC])}}),
    ("uncoded sends more", {"messages": {UC_MMC: at(40, 118.999, MESSAGES[UC_MMC])}}),
    ("closest", {"messages": {UC_MMC: at(3, 80, MESSAGES[UC_MMC])}}),
    ("half", {"messages": {LCC_MMC_2: at(20, 45, MESSAGES[LCC_MMC_2])}}),
    ("small increase", {"times": {LCC_MMC_2: at(4, 6.6, TIMES[LCC_MMC_2])}}),
    ("balanced", {"times": {LCC_MMC_2: at(20, 4.2, TIMES[LCC_MMC_2])}}),
    ("balanced", {"times": {LCC_MMC_2: at(20, 10.5, TIMES[LCC_MMC_2])}}),
    ("balanced", {"messages": {LCC_MMC_2: at(20, 38, MESSAGES[LCC_MMC_2])}}),
    ("lcc-mmc is best", {"times": {UC_MMC: at(3, 4.2, TIMES[UC_MMC])}}),
    ("lcc is attractive", {"messages": {LCC: 0 * R + 39.0}}),
    ("lcc is attractive", {"messages": {LCC: at(20, 39, MESSAGES[LCC])}}),
    ("uncoded is best at small r", {"times": {LCC_MMC_2: at(2, 4.4, TIMES[LCC_MMC_2])}}),
    ("70 %", {"times": {UC_MMC_PG: at(2, 3.2, TIMES[UC_MMC_PG])}}),
    ("70 %", {"times": {UC_MMC_PG: at(2, 2.8, TIMES[UC_MMC_PG])}}),
    ("33 %", {"times": {UC_MMC: at(2, 4.3, TIMES[UC_MMC])}}),
    ("two are missing", {"missing": 1}),
    ("partial sends less", {"messages": {UC_MMC_PG: at(9, 90, MESSAGES[UC_MMC_PG])}}),
    ("gains", {"messages": {UC_MMC_PG: 0.8 * MESSAGES[UC_MMC]}}),
    ("gains", {"times": {UC_MMC_PG: 0.8 * TIMES[UC_MMC]}}),
    ("reaches the limit", {"times": {MDS_MMC: at(20, 2.91, TIMES[MDS_MMC])}}),
    ("reaches the limit", {"limit": 5.0, "times": {MDS_MMC: 0 * R + 5.0}}),
]


@pytest.mark.parametrize(("claim", "numbers"), CONTRADICTIONS_2)
def test_a_claim_of_figure_2_fails_where_the_numbers_contradict_it(claim, numbers):
    assert fig2_claims(**numbers)[CLAIMS_2.index(claim)] is False


def test_every_claim_can_fail():
    assert {claim for claim, _ in CONTRADICTIONS_1} == set(CLAIMS_1)
    assert {claim for claim, _ in CONTRADICTIONS_2} == set(CLAIMS_2)


def test_an_increase_that_is_reasonable_at_some_loads_only_decides_nothing():
    some = np.where(R > 10, MESSAGES[LCC] / 10, MESSAGES[LCC])
    assert fig2_claims(messages={LCC: some})[CLAIMS_2.index("reasonable")] is None


@pytest.mark.parametrize(
    ("loads", "words"),
    [([], "nowhere"), ([2], "at r = 2"), ([2, 3, 4], "at r = 2..4"), ([2, 5, 6], "at r = 2, 5..6")],
)
def test_where_in_words(loads, words):
    assert _mmc_fig2_claims._at(loads) == words
