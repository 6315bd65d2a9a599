"""Monte Carlo: right statistics, the same for any number of processes, in bounded memory."""

import subprocess
import sys
import tracemalloc
from math import comb

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.scheduling.virtual import WARM_UP, VirtualWorkers
from coded_dgd.schemes.uc_mmc import UCMMC
from coded_dgd.theory import monte_carlo, predict
from coded_dgd.theory.moments import Moments
from coded_dgd.theory.monte_carlo import simulate
from coded_dgd.theory.processes import in_order

LAW = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)


def lcc_mmc(load=3):
    return schemes.create("lcc-mmc", 8, load=load)


# Statistics


def test_moments_of_parts_are_those_of_the_whole():
    values = 1e6 + np.random.default_rng(0).random(1000)  # a mean that swallows the deviations
    merged = Moments()
    for part in np.split(values, [0, 1, 1, 300, 999]):
        merged = merged.merge(Moments.of(part))
    assert merged.count == 1000
    assert merged.mean == pytest.approx(values.mean(), rel=1e-14)
    assert merged.std == pytest.approx(values.std(ddof=1), rel=1e-9)
    assert merged.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(1000), rel=1e-9)


def test_of_one_value_there_is_no_deviation():
    assert np.isnan(Moments.of(np.array([3.0])).standard_error)
    assert np.isnan(Moments().standard_error)


def test_statistics_are_those_of_the_times():
    instants = [0.0, 0.1, 0.2, 0.3, 9.0]
    sample = simulate(lcc_mmc(), LAW, 30_000, seed=1, cdf_at=instants)
    times = sample.times
    assert times.shape == (30_000,)
    assert sample.mean == pytest.approx(times.mean(), rel=1e-12)
    assert sample.std == pytest.approx(times.std(ddof=1), rel=1e-12)
    assert sample.standard_error == pytest.approx(sample.std / np.sqrt(30_000), rel=1e-12)
    by = np.array([np.mean(times <= instant) for instant in instants])
    np.testing.assert_array_equal(sample.cdf, by)
    np.testing.assert_allclose(sample.cdf_standard_error, np.sqrt(by * (1 - by) / 30_000))
    assert 0 < by[1] < by[2] < by[3] < by[4] == 1
    for q in (0.0, 0.5, 0.95, 1.0):
        assert np.mean(times <= sample.quantile(q)) >= q
        assert np.mean(times < sample.quantile(q)) <= q
    assert sample.communication_load == 15  # 2 N - 1
    assert sample.communication_load_standard_error == 0
    assert sample.never == 0


def test_an_instant_counts_what_completes_at_it():
    sample = simulate(
        schemes.create("uncoded", 3),
        delays.create("persistent:ranks=1,factor=5", 0),
        10,
        seed=0,
        cdf_at=[0.05 - 1e-12, 5 * 0.01],
    )
    np.testing.assert_array_equal(sample.cdf, [0, 1])


def test_the_distribution_of_an_order_statistic():
    """gc is done when M - r + 1 workers have done r tasks: a binomial tail of eq. (12)."""
    M, r = 8, 3
    instants = np.array([0.15, 0.3, 0.5, 0.8])
    sample = simulate(schemes.create("gc", M, load=r), LAW, 50_000, seed=0, cdf_at=instants)
    one = 1 - np.exp(-10 * (instants / r - 0.01))
    law = sum(comb(M, k) * one**k * (1 - one) ** (M - k) for k in range(M - r + 1, M + 1))
    assert (np.abs(sample.cdf - law) < 4 * sample.cdf_standard_error).all()
    mean = r * (0.01 + 0.1 * sum(1 / k for k in range(r, M + 1)))
    assert abs(sample.mean - mean) < 4 * sample.standard_error


def test_the_standard_error_is_that_of_repetition():
    samples = [simulate(lcc_mmc(), LAW, 500, seed=seed) for seed in range(200)]
    means = np.array([sample.mean for sample in samples])
    assert len(set(means)) == 200
    assert means.std(ddof=1) == pytest.approx(samples[0].standard_error, rel=0.25)


def test_the_communication_load_has_an_error_too():
    samples = [simulate(schemes.create("uc-mmc", 6, load=4), LAW, 500, seed) for seed in range(200)]
    loads = np.array([sample.communication_load for sample in samples])
    assert 6 < loads.mean() < 24
    error = samples[0].communication_load_standard_error
    assert loads.std(ddof=1) == pytest.approx(error, rel=0.25)


# What never completes


def test_what_never_completes_is_counted_and_not_averaged():
    delay = delays.create("bernoulli:p=0.2,slow=inf,fast=0.5", 0)
    sample = simulate(schemes.create("uncoded", 2), delay, 10_000, 0, cdf_at=[0.4, 0.5, 1e9])
    assert sample.never / 10_000 == pytest.approx(1 - 0.8**2, abs=0.02)
    assert np.isinf(sample.times).sum() == sample.never
    assert sample.mean == np.inf
    assert np.isnan([sample.std, sample.standard_error]).all()
    completed = (10_000 - sample.never) / 10_000
    np.testing.assert_array_equal(sample.cdf, [0, completed, completed])
    assert (sample.quantile(0.6), sample.quantile(0.7)) == (0.5, np.inf)
    assert sample.communication_load == 2  # of those that complete


def test_where_nothing_ever_completes(tmp_path):
    np.save(tmp_path / "never.npy", np.array([[0.1, np.inf]]))
    delay = delays.create(f"trace:{tmp_path / 'never.npy'}", 0)
    sample = simulate(schemes.create("uncoded", 2), delay, 10, seed=0)
    assert (sample.never, sample.mean, sample.quantile(0.0)) == (10, np.inf, np.inf)
    assert np.isnan(sample.communication_load)


def test_a_deadline_always_comes():
    scheme = schemes.create("ignore-stragglers", 5, wait="deadline:0.7")
    scheme.fit(10, np.ones)
    sample = simulate(scheme, delays.create("bernoulli:p=0.5,slow=inf,fast=0.5", 0), 20_000, seed=0)
    assert sample.never == 0
    assert set(sample.times) == {0.5, 0.7}
    expected = 0.7 - 0.2 * 0.5**5
    assert abs(sample.mean - expected) < 4 * sample.standard_error
    assert abs(sample.communication_load - 2.5) < 4 * sample.communication_load_standard_error


def test_a_trace_is_resampled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, 2.0], [5.0, 3.0], [4.0, 4.0]]))
    delay = delays.create(f"trace:{tmp_path / 'a.npy'}", 0)
    sample = simulate(schemes.create("uncoded", 2), delay, 3000, seed=0)
    assert set(sample.times) == {2.0, 5.0, 4.0}
    assert abs(sample.mean - 11 / 3) < 4 * sample.standard_error


# Any number of realisations, any number of processes


def assert_same(one, other):
    assert (one.realisations, one.completion, one.load) == (
        other.realisations, other.completion, other.load
    )  # fmt: skip
    np.testing.assert_array_equal(one.cdf, other.cdf)
    np.testing.assert_array_equal(one.times, other.times)


@pytest.mark.parametrize("delay", ["shifted-exponential", "markov:mu=10", "bernoulli"])
def test_the_result_is_the_same_for_any_number_of_jobs(delay, monkeypatch):
    monkeypatch.setattr(monte_carlo, "RETAINED", 20_000)
    scheme, model = schemes.create("uc-mmc", 12, load=6), delays.create(delay, 0)
    samples = [simulate(scheme, model, 30_000, 7, jobs, cdf_at=[0.2]) for jobs in (1, 2, 3)]
    assert_same(samples[0], samples[1])
    assert_same(samples[0], samples[2])
    other = simulate(scheme, model, 30_000, 8)
    assert other.mean != samples[0].mean


def test_more_processes_than_batches():
    assert_same(simulate(lcc_mmc(), LAW, 100, 0, jobs=9), simulate(lcc_mmc(), LAW, 100, 0))


def test_only_so_many_times_are_kept(monkeypatch):
    everything = simulate(lcc_mmc(), LAW, 50_000, 0, cdf_at=[0.2])
    monkeypatch.setattr(monte_carlo, "RETAINED", 15_000)
    sample = simulate(lcc_mmc(), LAW, 50_000, 0, cdf_at=[0.2])
    np.testing.assert_array_equal(sample.times, everything.times[:15_000])
    assert (sample.mean, sample.std) == (everything.mean, everything.std)
    np.testing.assert_array_equal(sample.cdf, everything.cdf)


@pytest.mark.parametrize("delay", ["shifted-exponential", "pareto:tasks=independent", "bernoulli"])
def test_memory_does_not_grow_with_the_number_of_realisations(delay, monkeypatch):
    monkeypatch.setattr(monte_carlo, "RETAINED", 1000)
    scheme, model = schemes.create("uc-mmc", 40, load=40), delays.create(delay, 0)
    peaks = []
    for realisations in (1000, 1000, 5000):  # the first run also fills caches
        tracemalloc.start()
        simulate(scheme, model, realisations, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.05 * peaks[1]
    assert peaks[2] < 64e6


def test_a_realisation_larger_than_a_batch():
    scheme = schemes.create("uc-mmc", 600, load=600)
    assert simulate(scheme, LAW, 2, seed=0).never == 0


# Processes


def test_pieces_come_in_order():
    assert list(in_order(abs, 7, 3)) == list(range(7))


def test_a_scheme_by_import_path_goes_to_other_processes(tmp_path, monkeypatch):
    (tmp_path / "their_scheme.py").write_text(
        "from coded_dgd.schemes.uc_mmc import UCMMC\nclass Theirs(UCMMC):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    theirs = schemes.create("their_scheme:Theirs", 12, load=6)
    ours = schemes.create("uc-mmc", 12, load=6)
    assert_same(simulate(theirs, LAW, 20_000, 0, jobs=2), simulate(ours, LAW, 20_000, 0))


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from coded_dgd import delays, schemes\n"
        "from coded_dgd.theory.monte_carlo import simulate\n"
        "print('started')\n"
        "scheme, delay = schemes.create('uc-mmc', 12, load=6), delays.create('pareto', 0)\n"
        "print(simulate(scheme, delay, 20_000, 0, jobs=2).never)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["started", "0"]
    assert not done.stderr


class Local(UCMMC):
    """Pickled by reference to this module, which is none of the package."""

    def completion_time(self, times):
        print("this is no result")
        raise RuntimeError("on purpose")


def test_a_process_that_fails_ends_the_simulation(capfd):
    with pytest.raises(CodedDGDError, match=r"one of 2 processes has ended.*use --jobs 1"):
        simulate(Local("local", 12, 12, 6), LAW, 20_000, 0, jobs=2)
    assert "on purpose" in capfd.readouterr().err


def test_what_cannot_be_pickled_is_refused():
    scheme = schemes.create("uc-mmc", 12, load=6)
    scheme.extra = lambda: None
    with pytest.raises(UsageError, match=r"does not go to other processes.*use --jobs 1"):
        simulate(scheme, LAW, 20_000, 0, jobs=2)


# Refusals


@pytest.mark.parametrize(("realisations", "jobs"), [(1, 1), (0, 1), (-5, 1), (10, 0), (10**20, 1)])
def test_numbers_that_are_out_of_range_are_refused(realisations, jobs):
    with pytest.raises(UsageError, match=r"give 2 to \d+; --jobs -?\d+: give 1 or more"):
        simulate(lcc_mmc(), LAW, realisations, 0, jobs)


def test_a_delay_that_does_not_cover_the_workers_is_refused():
    with pytest.raises(UsageError, match="no worker of rank 9"):
        simulate(lcc_mmc(), delays.create("persistent:ranks=9", 0), 10, seed=0)


# Dynamic schemes


def fine(**options):
    return schemes.create("uc-dynamic", 6, 18, **{"copies": "3", **options})


def test_iterations_of_a_dynamic_scheme_are_replayed_by_events():
    scheme = fine()
    sample = simulate(scheme, LAW, 200, seed=3)
    rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2, 0)))
    finish = LAW.consecutive(rng, WARM_UP + 200, 6, scheme.work_under(LAW))
    workers = VirtualWorkers(scheme)
    replayed = [workers.run(each) for each in finish][WARM_UP:]
    np.testing.assert_array_equal(sample.times, [each.completion_time for each in replayed])
    messages = [len(each.order) for each in replayed]
    assert sample.communication_load == pytest.approx(np.mean(messages))
    assert min(messages) >= 18
    assert sample.never == 0


def test_with_one_copy_a_dynamic_scheme_waits_for_everybody():
    sample = simulate(fine(copies="1", shares="equal"), LAW, 4000, seed=0)
    exact = predict(schemes.create("uncoded", 6), LAW).mean
    assert abs(sample.mean - exact) < 4 * sample.standard_error
    assert sample.communication_load == 18


def test_speeds_are_learnt_before_iterations_count():
    delay = delays.create("persistent:ranks=1,2,factor=5,alpha=0.01", 0)
    learnt, equal = (
        simulate(
            schemes.create("uc-dynamic", 6, 48, copies="2", shares=how), delay, 20, seed=0
        ).times
        for how in ("speed", "equal")
    )
    # four workers do 11 blocks of 1.25 ms each in the time of two blocks of a slow one
    np.testing.assert_allclose(learnt, 11 * 0.00125)
    assert equal.min() > 11 * 0.00125 * 1.2


def test_several_jobs_replay_the_same_iterations():
    scheme = schemes.create("uc-dynamic", 40, copies="2")
    assert monte_carlo._Draw(scheme, LAW, 900, 0, np.zeros(0), 900).batches == 2
    one, two = (simulate(scheme, LAW, 900, seed=0, jobs=jobs) for jobs in (1, 2))
    assert (one.mean, one.load) == (two.mean, two.load)
    np.testing.assert_array_equal(one.times, two.times)


def test_iterations_that_never_complete_are_counted():
    delay = delays.create("bernoulli:p=0.3,slow=inf", 0)
    sample = simulate(fine(copies="2"), delay, 300, seed=0)
    assert 0 < sample.never < 300
    assert sample.load.count == 300 - sample.never


def test_fewer_iterations_are_affordable_if_they_are_replayed():
    assert monte_carlo.affordable(lcc_mmc(), 10_000) == 10_000
    small, large = (schemes.create("uc-dynamic", workers) for workers in (6, 40))
    few = [monte_carlo.affordable(each, 10_000) for each in (small, large)]
    assert 2 <= few[1] < few[0] < 10_000
    assert predict(fine(), LAW).realisations == monte_carlo.affordable(fine(), 100_000)
